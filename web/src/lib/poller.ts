// Asks again and again, politely: one request at a time, slower when nobody looks, slower still
// when it fails, and never before the server's own Retry-After.

import { asApiError } from './api/errors';

export interface Pace {
  visibleMs: number;
  hiddenMs: number;
  /** Ceiling of the delay after repeated failures. */
  maxMs: number;
}

/** The wait before the next request, after `failures` failures in a row. */
export function nextDelayMs(
  pace: Pace,
  hidden: boolean,
  failures: number,
  retryAfterSeconds: number | null,
): number {
  const base = hidden ? pace.hiddenMs : pace.visibleMs;
  const backedOff = Math.min(base * 2 ** failures, Math.max(base, pace.maxMs));
  return Math.max(backedOff, (retryAfterSeconds ?? 0) * 1000);
}

/** Runs `task` now and then at `pace`, until the returned function is called. */
export function poll(pace: Pace, task: (signal: AbortSignal) => Promise<void>): () => void {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let running = false;

  async function run(): Promise<void> {
    clearTimeout(timer);
    if (running || abort.signal.aborted) return;
    running = true;
    let retryAfter: number | null = null;
    try {
      await task(abort.signal);
      failures = 0;
    } catch (error) {
      failures += 1;
      retryAfter = asApiError(error).details.retryAfterSeconds;
    }
    running = false;
    if (abort.signal.aborted) return;
    timer = setTimeout(run, nextDelayMs(pace, document.hidden, failures, retryAfter));
  }

  // Somebody looks again: what is shown should be fresh, unless the server asked for peace.
  const wake = () => {
    if (!document.hidden && failures === 0) void run();
  };
  document.addEventListener('visibilitychange', wake);
  void run();
  return () => {
    abort.abort();
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', wake);
  };
}
