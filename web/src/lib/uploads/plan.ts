// What to do when a file did not get through, and how far one is. Pure.

/** What comes next for an upload whose request was answered with `status`, 0 for no answer. */
export type Next =
  /** The server will not have this file. */
  | 'refused'
  /** The server knows nothing of it any more: from the beginning. */
  | 'anew'
  /** Where it stopped, in a while. */
  | 'later'
  /** It was tried often enough: its sender decides. */
  | 'stop';

/** Failures in a row, without a byte that went through, before the sender is asked. */
export const TRIES = 5;

export function next(status: number, failures: number): Next {
  if (status === 404 || status === 410) return failures >= TRIES ? 'stop' : 'anew';
  // Too early, too late, elsewhere than the server is, or busy: whoever looks again can go on.
  const passes = status === 0 || [408, 409, 423, 425, 429].includes(status) || status >= 500;
  if (!passes) return 'refused';
  return failures >= TRIES ? 'stop' : 'later';
}

/** How much of a file has gone, from 0 to 1. All of it is not there before the server says so. */
export function share(sent: number, total: number): number {
  return total > 0 ? Math.min(sent / total, 0.99) : 0;
}

/** One of several moments at which so much had gone. */
export interface Mark {
  atMs: number;
  sent: number;
}

/** Over how long speed is measured: long enough not to jump, short enough to follow a link. */
const SPEED_WINDOW_MS = 8000;

/** The marks that speed is measured by, with a new one. What has gone back begins again. */
export function marked(marks: readonly Mark[], mark: Mark): Mark[] {
  const before = marks.filter(({ atMs }) => mark.atMs - atMs <= SPEED_WINDOW_MS);
  const goesOn = before.every(({ sent }) => sent <= mark.sent);
  return goesOn ? [...before, mark] : [mark];
}

/** Seconds until all has gone, by how fast it goes; null while that is not known. */
export function secondsLeft(marks: readonly Mark[], total: number): number | null {
  const [first, last] = [marks[0], marks[marks.length - 1]];
  if (!first || !last || last.atMs - first.atMs < 1000 || last.sent <= first.sent) return null;
  const perMs = (last.sent - first.sent) / (last.atMs - first.atMs);
  return Math.ceil((total - last.sent) / perMs / 1000);
}

/** The value of `Upload-Metadata` (tus 1.0.0) that names a file. */
export function metadata(name: string): string {
  const bytes = new TextEncoder().encode(name);
  return `filename ${btoa(String.fromCharCode(...bytes))}`;
}
