// The connection that brings a live's chat, state and viewers as they happen, or what its member is
// notified of. Comes back by itself, with the last message it has, and does without where no WebSocket
// gets through.

import type { Notification } from './api/notifications';
import { afterAll, EMPTY, type LiveChat, type RealTimeEvent } from './live-chat';
import { comeBackMs } from './patience';

/** A refusal of something this page sent. */
interface Refusal {
  type: 'error';
  ref: string | null;
  status: number;
  error: Record<string, unknown>;
}
type Answer =
  | RealTimeEvent
  | Refusal
  | { type: 'pong'; ref: string | null }
  | { type: 'notification'; notification: Notification };

/** The codes of a close after which coming back is no use. */
const FINAL = [1002, 1007, 1008, 1009];
/** The code of a close, and the status of a refusal, that say that the token is no good any more. */
const EXPIRED = 4401;
const UNAUTHORIZED = 401;

/** A link that is gone says nothing, for minutes: one that is silent so long is asked, then given up. */
const SILENCE_MS = 20_000;

/** What may be said beside the words themselves. */
export interface Saying {
  type?: 'text' | 'reaction';
  reply_to?: number;
}

export class RealTime {
  chat = $state.raw<LiveChat>(EMPTY);
  connected = $state(false);
  /** Whether it was connected before: what is lost is told otherwise than what has not begun. */
  wasConnected = $state(false);
  /** Why the last message was not said, in the server's words; null while there is nothing to say. */
  refusal = $state<string | null>(null);

  #socket: WebSocket | null = null;
  /** The token that this connection is signed in with, and the one that was turned down last. */
  #token: string | null = null;
  #refusedToken: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #watch: ReturnType<typeof setInterval>;
  #isSilent = false;
  #isAsked = false;
  #failures = 0;
  #stopped = false;
  #waiting = new Map<string, (said: boolean) => void>();
  #sent = 0;

  constructor(
    /** The live that is followed, if one is. */
    private readonly name: string | null,
    /** A token newer than the one that was turned down; null for a stranger. */
    private readonly access: (refused?: string) => Promise<string | null>,
    /** Hears of every notification, and with null that some may have been missed. */
    private readonly onnotified: (notification: Notification | null) => void = () => {},
  ) {
    addEventListener('online', this.#comeBack);
    addEventListener('offline', this.#lose);
    this.#watch = setInterval(() => this.#listen(), SILENCE_MS);
    void this.#open();
  }

  /** Says something; whether it was said. */
  say(content: string, how: Saying = {}): Promise<boolean> {
    this.refusal = null;
    if (!this.connected) return Promise.resolve(false);
    const ref = `m${(this.#sent += 1)}`;
    const answer = new Promise<boolean>((done) => this.#waiting.set(ref, done));
    this.#send({ type: 'chat.say', ref, message: { content, ...how } });
    return answer;
  }

  stop(): void {
    this.#stopped = true;
    removeEventListener('online', this.#comeBack);
    removeEventListener('offline', this.#lose);
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#settleAll();
    this.#socket?.close();
  }

  async #open(): Promise<void> {
    clearTimeout(this.#timer);
    let token: string | null;
    try {
      token = await this.access(this.#refusedToken);
    } catch {
      // A member who cannot be asked for is no stranger: he comes when he can.
      if (!this.#stopped && !this.#socket) this.#comeBackLater();
      return;
    }
    if (this.#stopped || this.#socket) return;
    this.#token = token;
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/realtime/`);
    this.#socket = socket;
    this.#isSilent = this.#isAsked = false;
    socket.onopen = () => {
      if (token) this.#send({ type: 'auth', token });
      if (this.name === null) return;
      const after = this.chat.newest;
      const join = { type: 'live.join', playback_name: this.name };
      this.#send(after === null ? join : { ...join, after });
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#hear(JSON.parse(String(data)) as Answer[]);
    };
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  /** Leaves a connection that is over, or that nothing comes of any more, and comes back later. */
  #closed(socket: WebSocket, code: number): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.connected = false;
    this.#settleAll();
    if (code === EXPIRED && this.#token !== null) this.#refusedToken = this.#token;
    if (this.#stopped || FINAL.includes(code)) return;
    this.#comeBackLater();
  }

  #comeBackLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), comeBackMs(this.#failures, Math.random()));
    this.#failures += 1;
  }

  /** The device says that the network is there again: no reason to wait. */
  #comeBack = (): void => {
    if (!this.#socket) void this.#open();
  };

  #lose = (): void => this.#leave(1006);

  /** Closes, and does not wait for the answer: over a dead link it takes minutes. */
  #leave(code: number): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.close();
    this.#closed(socket, code);
  }

  #listen(): void {
    if (!this.#socket) return;
    if (this.#isAsked) return this.#lose();
    if (this.#isSilent) {
      this.#isAsked = true;
      this.#send({ type: 'ping' });
    }
    this.#isSilent = true;
  }

  #hear(answers: Answer[]): void {
    this.#isSilent = this.#isAsked = false;
    const events: RealTimeEvent[] = [];
    for (const answer of answers) {
      if (answer.type === 'chat.said') this.#settle(answer.ref, true);
      if (answer.type === 'error') this.#refused(answer);
      else if (answer.type === 'notification') this.onnotified(answer.notification);
      else if (answer.type !== 'pong') events.push(answer);
    }
    if (this.#socket === null) return;
    const begins = this.name === null ? 'session' : 'live.joined';
    if (events.some(({ type }) => type === begins)) {
      this.connected = this.wasConnected = true;
      this.#failures = 0;
      this.onnotified(null);
    }
    this.chat = afterAll(this.chat, events);
  }

  #refused({ ref, status, error }: Refusal): void {
    // Staying would be staying as a stranger.
    if (ref === null && status === UNAUTHORIZED && this.#token !== null) this.#leave(EXPIRED);
    if (ref === null || !this.#waiting.has(ref)) return;
    const words = [error['detail'], error['error'], ...Object.values(error).flat()];
    this.refusal = words.find((text): text is string => typeof text === 'string') ?? null;
    this.#settle(ref, false);
  }

  #settle(ref: string | null, said: boolean): void {
    if (ref === null) return;
    this.#waiting.get(ref)?.(said);
    this.#waiting.delete(ref);
  }

  #settleAll(): void {
    for (const ref of [...this.#waiting.keys()]) this.#settle(ref, false);
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
