// The requests of one file that comes in pieces: tus 1.0.0, as the server speaks it. By XMLHttpRequest,
// because `fetch` does not tell how much has gone.

import { asApiError, errorFromResponse, errorFromSilence } from '../api/errors';
import { comeBackMs } from '../patience';
import { session } from '../session.svelte';
import { metadata, next } from './plan';

const ROOT = '/api/uploads/';
const PIECE = 'application/offset+octet-stream';

/** How far the server is with a file. */
export interface There {
  offset: number;
  /** The media that it has become. */
  media: number | null;
}

interface Sending {
  headers?: Record<string, string>;
  body?: Blob;
  onsent?: (bytes: number) => void;
}

/** Announces a file; where it is sent. */
export async function announce(file: File, signal: AbortSignal): Promise<string> {
  const headers = { 'upload-length': String(file.size), 'upload-metadata': metadata(file.name) };
  const answer = await request('POST', ROOT, { headers }, signal);
  // Whatever host the server knows itself by: what is ours is where this page came from.
  return new URL(answer.getResponseHeader('location') ?? '', location.href).pathname;
}

export async function look(path: string, signal: AbortSignal): Promise<There> {
  return there(await request('HEAD', path, {}, signal));
}

/** Sends all that the server has not; `onsent` hears how much of that has gone. */
export async function goOn(
  path: string,
  file: File,
  offset: number,
  onsent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<There> {
  const headers = { 'upload-offset': String(offset), 'content-type': PIECE };
  const body = file.slice(offset);
  return there(await request('PATCH', path, { headers, body, onsent }, signal));
}

/** Takes back what has gone, once the server has noticed that nobody sends it any more. */
export async function giveUp(path: string): Promise<void> {
  const { signal } = new AbortController();
  for (let failures = 0; ; failures += 1) {
    try {
      await request('DELETE', path, {}, signal);
      return;
    } catch (error) {
      const { status } = asApiError(error);
      if (next(status, failures) !== 'later') return;
    }
    await new Promise((done) => setTimeout(done, comeBackMs(failures, Math.random())));
  }
}

function there(answer: XMLHttpRequest): There {
  const media = answer.getResponseHeader('media-id');
  return {
    offset: Number(answer.getResponseHeader('upload-offset') ?? 0),
    media: media === null ? null : Number(media),
  };
}

/** One request, with a token that serves. */
async function request(
  method: string,
  path: string,
  sending: Sending,
  signal: AbortSignal,
): Promise<XMLHttpRequest> {
  const access = await session.api.access();
  const answer = await send(method, path, sending, access, signal);
  if (answer.status !== 401 || access === null) return good(answer);
  return good(await send(method, path, sending, await session.api.access(access), signal));
}

function good(answer: XMLHttpRequest): XMLHttpRequest {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const retryAfter = answer.getResponseHeader('retry-after');
  throw errorFromResponse(answer.status, parsed(answer.responseText), retryAfter);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function send(
  method: string,
  path: string,
  { headers = {}, body, onsent }: Sending,
  access: string | null,
  signal: AbortSignal,
): Promise<XMLHttpRequest> {
  return new Promise((answered, failed) => {
    const request = new XMLHttpRequest();
    const silence = () => failed(errorFromSilence('network'));
    request.open(method, path);
    request.setRequestHeader('tus-resumable', '1.0.0');
    if (access) request.setRequestHeader('authorization', `Bearer ${access}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (onsent) request.upload.onprogress = ({ loaded }) => onsent(loaded);
    request.onload = () => answered(request);
    request.onerror = request.onabort = request.ontimeout = silence;
    if (signal.aborted) return silence();
    signal.addEventListener('abort', () => request.abort());
    request.send(body ?? null);
  });
}
