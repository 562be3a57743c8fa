// The connection that brings a live's chat, state and viewers as they happen. Comes back by itself,
// with the last message it has, and does without where no WebSocket gets through.

import {
  afterAll,
  comeBackMs,
  EMPTY,
  lastId,
  type LiveChat,
  type RealTimeEvent,
} from './live-chat';

/** A refusal of something this page sent. */
interface Refusal {
  type: 'error';
  ref: string | null;
  status: number;
  error: Record<string, unknown>;
}
type Answer = RealTimeEvent | Refusal | { type: 'chat.said'; ref: string | null };

/** The codes of a close after which coming back is no use. */
const FINAL = [1002, 1007, 1008, 1009];

export class RealTime {
  chat = $state.raw<LiveChat>(EMPTY);
  connected = $state(false);
  /** Why the last message was not said, in the server's words; null while there is nothing to say. */
  refusal = $state<string | null>(null);

  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #stopped = false;
  #waiting: { reference: string; done: (said: boolean) => void } | null = null;
  #sent = 0;

  constructor(
    private readonly name: string,
    private readonly access: () => Promise<string | null>,
  ) {
    void this.#open();
  }

  /** Says something; whether it was said. */
  say(content: string): Promise<boolean> {
    this.refusal = null;
    const reference = `m${(this.#sent += 1)}`;
    return new Promise((done) => {
      if (!this.connected || this.#waiting) return done(false);
      this.#waiting = { reference, done };
      this.#send({ type: 'chat.say', ref: reference, message: { content } });
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#settle(false);
    this.#socket?.close();
  }

  async #open(): Promise<void> {
    const token = await this.access().catch(() => null);
    if (this.#stopped) return;
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/realtime/`);
    this.#socket = socket;
    socket.onopen = () => {
      if (token) this.#send({ type: 'auth', token });
      const after = lastId(this.chat);
      const join = { type: 'live.join', playback_name: this.name };
      this.#send(after === null ? join : { ...join, after });
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(String(data)) as Answer[]);
    socket.onclose = ({ code }) => {
      this.connected = false;
      this.#settle(false);
      if (this.#stopped || FINAL.includes(code)) return;
      this.#timer = setTimeout(() => void this.#open(), comeBackMs(this.#failures, Math.random()));
      this.#failures += 1;
    };
  }

  #hear(answers: Answer[]): void {
    const events: RealTimeEvent[] = [];
    for (const answer of answers) {
      if (answer.type === 'chat.said') this.#settle(true);
      else if (answer.type === 'error') this.#refused(answer);
      else events.push(answer);
    }
    if (events.some(({ type }) => type === 'live.joined')) {
      this.connected = true;
      this.#failures = 0;
    }
    this.chat = afterAll(this.chat, events);
  }

  #refused({ ref, error }: Refusal): void {
    if (ref === null || ref !== this.#waiting?.reference) return;
    const words = [error['detail'], error['error'], ...Object.values(error).flat()];
    this.refusal = words.find((text): text is string => typeof text === 'string') ?? null;
    this.#settle(false);
  }

  #settle(said: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.done(said);
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
