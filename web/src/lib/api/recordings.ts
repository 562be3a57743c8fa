// Recordings as files, and clips of them.

import { session } from '../session.svelte';
import { errorFromResponse, parseRetryAfter } from './errors';

interface Download {
  url: string;
  file_name: string;
}

/** Ten minutes of a recording are read, written, looked at and given a poster. */
const CLIP_MS = 180_000;
/** Who asks first waits for a file to be made: each time 20 s at most, which is a gigabyte of a busy disk. */
const FILE_TRIES = 12;

export const allowDownloads = (live: number, allowed: boolean) =>
  session.api.signed<{ downloads_allowed: boolean }>(`/api/posts/live/${live}/downloads/`, {
    method: 'PUT',
    body: { downloads_allowed: allowed },
  });

/** An address where the recording of a live is had as a file, for a while. */
export const download = (live: number) =>
  session.api.signed<Download>(`/api/posts/live/${live}/download/`, { method: 'POST', body: {} });

/** A clip, from and to times in seconds, as a new post. */
export const clip = (live: number, body: { start: number; end: number; title?: string }) =>
  session.api.signed<{ id: number }>(`/api/posts/live/${live}/clip/`, {
    method: 'POST',
    body,
    timeoutMs: CLIP_MS,
  });

/** Waits until the file at an address is made. Whoever went there at once would see an error in its place. */
export async function made(path: string, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(path, { method: 'HEAD', credentials: 'omit', signal });
    if (response.ok) return;
    const after = response.headers.get('retry-after');
    if (response.status !== 503 || tries >= FILE_TRIES) {
      throw errorFromResponse(response.status, null, after);
    }
    const waitMs = 1000 * (parseRetryAfter(after) ?? 5);
    await new Promise<void>((go) => {
      const timer = setTimeout(go, waitMs);
      signal.addEventListener('abort', () => (clearTimeout(timer), go()), { once: true });
    });
    signal.throwIfAborted();
  }
}
