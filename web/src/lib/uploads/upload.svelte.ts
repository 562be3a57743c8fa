// One file on its way: goes on by itself where a broken link stopped it, also after the page was loaded
// again and the same file chosen once more.

import { asApiError } from '../api/errors';
import { comeBackMs } from '../patience';
import { session } from '../session.svelte';
import { BEGUN, read, write } from '../storage';
import { marked, next, secondsLeft, share, type Mark } from './plan';
import { announce, giveUp, goOn, look, type There } from './tus';

/** Where the files are that have not come whole. */
const KEY = BEGUN.uploads;
/** As many as the server keeps open for one member. */
const REMEMBERED = 10;

export class Upload {
  state = $state<'queued' | 'sending' | 'waiting' | 'stopped' | 'refused' | 'done' | 'cancelled'>(
    'queued',
  );
  /** Bytes that have gone. */
  sent = $state(0);
  /** Why it is not taken, or stands still. */
  trouble = $state<string | null>(null);
  /** Whether it waits for the link, rather than because the server asks it to. */
  isCut = $state(false);
  /** The media it has become. */
  media = $state<number | null>(null);

  #marks = $state.raw<Mark[]>([]);
  #path: string | null = null;
  #abort = new AbortController();
  #wake: () => void = () => {};

  constructor(
    readonly file: File,
    /** Called when it is on its way no more, for good or until its sender decides. */
    private readonly onrest: () => void,
  ) {}

  /** Whether it takes a place among those that are sent. */
  get isUnderWay(): boolean {
    return this.state === 'sending' || this.state === 'waiting';
  }

  get share(): number {
    return this.state === 'done' ? 1 : share(this.sent, this.file.size);
  }

  get secondsLeft(): number | null {
    return this.state === 'sending' ? secondsLeft(this.#marks, this.file.size) : null;
  }

  /** Begins, or goes on now. */
  start(): void {
    if (this.state === 'waiting') this.#wake();
    else if (this.state === 'queued' || this.state === 'stopped') void this.#run();
  }

  /** Takes back what has gone. */
  cancel(): void {
    if (this.state === 'done' || this.state === 'cancelled') return;
    this.state = 'cancelled';
    this.#abort.abort();
    this.#wake();
    const path = this.#path;
    this.#remember(null);
    if (path !== null) void giveUp(path);
    this.onrest();
  }

  /** The page leaves: what has gone stays where it is. */
  leave(): void {
    this.#abort.abort();
    this.#wake();
  }

  async #run(): Promise<void> {
    let failures = 0;
    this.#path ??= remembered()[nameOf(this.file)] ?? null;
    while (!this.#abort.signal.aborted) {
      this.state = 'sending';
      const before = this.sent;
      try {
        const { media } = await this.#send();
        if (media === null) continue;
        this.#remember(null);
        this.media = media;
        this.state = 'done';
        return this.onrest();
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const { status, message, details } = asApiError(error);
        failures = this.sent > before ? 1 : failures + 1;
        this.trouble = message;
        this.isCut = status === 0;
        const then = next(status, failures);
        if (then === 'refused' || then === 'anew') this.#remember(null);
        if (then === 'refused' || then === 'stop') {
          this.state = then === 'stop' ? 'stopped' : then;
          return this.onrest();
        }
        this.state = 'waiting';
        await this.#wait(details.retryAfterSeconds, failures);
      }
    }
  }

  async #send(): Promise<There> {
    const { signal } = this.#abort;
    let offset = 0;
    if (this.#path === null) {
      this.#remember(await announce(this.file, signal));
    } else {
      const there = await look(this.#path, signal);
      if (there.media !== null) return there;
      offset = there.offset;
    }
    this.#count(offset);
    this.trouble = null;
    const counted = (bytes: number) => this.#count(offset + bytes);
    return goOn(this.#path ?? '', this.file, offset, counted, signal);
  }

  #count(sent: number): void {
    this.sent = sent;
    this.#marks = marked(this.#marks, { atMs: Date.now(), sent });
  }

  #wait(seconds: number | null, failures: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(
        () => this.#wake(),
        Math.max(comeBackMs(failures, Math.random()), (seconds ?? 0) * 1000),
      );
      const woken = () => this.#wake();
      addEventListener('online', woken);
      this.#wake = () => {
        clearTimeout(timer);
        removeEventListener('online', woken);
        done();
      };
    });
  }

  #remember(path: string | null): void {
    this.#path = path;
    const others = Object.entries(remembered()).filter(([name]) => name !== nameOf(this.file));
    const all = path === null ? others : [...others, [nameOf(this.file), path] as const];
    write(KEY, JSON.stringify(Object.fromEntries(all.slice(-REMEMBERED))));
  }
}

/** Files sent at once. */
const AT_ONCE = 2;

/** Sends what waits, a few at once: a weak link does not get faster by more. */
export function advance(uploads: readonly Upload[]): void {
  const free = AT_ONCE - uploads.filter(({ isUnderWay }) => isUnderWay).length;
  const queued = uploads.filter(({ state }) => state === 'queued');
  for (const upload of queued.slice(0, Math.max(0, free))) upload.start();
}

/** What tells a file from all others, of all members who sign in here. */
const nameOf = ({ name, size, lastModified }: File): string =>
  [session.user?.id, name, size, lastModified].join(':');

function remembered(): Record<string, string> {
  try {
    return JSON.parse(read(KEY) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}
