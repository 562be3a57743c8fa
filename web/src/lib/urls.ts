// Addresses of lives: what the server says, made reachable from where this page was opened.

const LOOPBACK = /^([a-z]+:\/\/)(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)/i;

/**
 * A server left at its defaults announces `localhost`. Opened from a telephone on the same network
 * that address is the telephone itself: the host this page came from is put in its place.
 */
export function reachable(url: string, pageHost: string = location.hostname): string {
  if (/^(localhost|127\.0\.0\.1|\[::1\])$/.test(pageHost)) return url;
  return url.replace(LOOPBACK, (_, scheme: string) => scheme + pageHost);
}

/**
 * The multivariant playlist of a live, on the page's own origin: the content security policy lets
 * the page load from nowhere else, whatever address the server announces. Its ticket, where it has
 * one, comes with that address.
 */
export const playlistPath = (name: string, hlsUrl?: string | null): string =>
  `/hls/${name}.m3u8${ticketOf(hlsUrl)}`;

/** The same, of its sound alone. */
export const soundPath = (name: string, hlsUrl?: string | null): string =>
  `/hls/${name}-audio.m3u8${ticketOf(hlsUrl)}`;

/** The multivariant playlist of what one may go back to in it, or its sound alone, from a date on. */
export const rewindPath = (
  name: string,
  hlsUrl: string | null | undefined,
  fromMs: number,
  soundOnly: boolean,
): string => {
  const ticket = ticketOf(hlsUrl).replace('?', '&');
  return `/hls/${name}${soundOnly ? '-audio' : ''}-rewind.m3u8?from=${Math.round(fromMs)}${ticket}`;
};

/** Where its thumbnails are while it is on. */
export const liveThumbnailsPath = (name: string, hlsUrl?: string | null): string =>
  `/hls/${name}/thumbnails.vtt${ticketOf(hlsUrl)}`;

/** The multivariant playlist of its recording; with a ticket likewise. */
export const recordingPath = (name: string, hlsUrl?: string | null): string =>
  `/vod/${name}/index.m3u8${ticketOf(hlsUrl)}`;

/** Where the thumbnails of that are. Its ticket is a folder, so that what is listed is below it, too. */
export const thumbnailsPath = (name: string, hlsUrl?: string | null): string =>
  `/vod/${name}/${ticketOf(hlsUrl).replace(/^\?ticket=(.*)$/, '$1/')}thumbnails.vtt`;

/** An address of the server's on the page's own origin. */
export const ownPath = (url: string | null | undefined): string | null =>
  /^[a-z]+:\/\/[^/]+(\/.*)$/i.exec(url ?? '')?.[1] ?? null;

const ticketOf = (hlsUrl: string | null | undefined): string =>
  /\?ticket=[0-9a-f]+$/.exec(hlsUrl ?? '')?.[0] ?? '';

/**
 * What tells one run of the server from another: the path of a media playlist, less the viewer's
 * ticket, which changes meanwhile, and whether he went back.
 */
export const runOf = (playlist: string, base: string): string =>
  new URL(playlist, base).pathname
    .replace(/\/[0-9a-f]{42}(?=\/[^/]*$)/, '')
    .replace(/-rewind(?=\.m3u8$)/, '');

/** An address with the session in that of a media playlist, if it has one: who goes back is the same viewer. */
export function inSession(url: string, playlist: string | undefined): string {
  const session = /[?&](session=[0-9a-f]+)/.exec(playlist ?? '')?.[1];
  return session ? `${url}${url.includes('?') ? '&' : '?'}${session}` : url;
}

/** The run of the first media playlist that a multivariant playlist, read from `url`, lists. */
export function listedRun(multivariant: string, url: string): string | null {
  const listed = multivariant.split(/\r?\n/).find((line) => line !== '' && !line.startsWith('#'));
  return listed === undefined ? null : runOf(listed, url);
}

/** The public name of a live out of its playlist's address. */
export function nameOfPlaylist(hlsUrl: string | null | undefined): string | null {
  return /\/hls\/([a-z0-9]{1,64})(?:-ts)?\.m3u8/.exec(hlsUrl ?? '')?.[1] ?? null;
}

/** The public name of a live out of the address of its recording. */
export function nameOfRecording(file: string): string | null {
  return /\/vod\/([a-z0-9]{1,64})\/index\.m3u8/.exec(file)?.[1] ?? null;
}

/** What somebody types or pastes to open a live: a bare name, or any link that contains one. */
export function nameFromInput(input: string): string | null {
  const text = input.trim();
  const linked = /\/live\/([a-z0-9]{1,64})(?:[/?#]|$)/i.exec(text)?.[1] ?? nameOfPlaylist(text);
  const name = (linked ?? text).toLowerCase();
  return /^[a-z0-9]{1,64}$/.test(name) ? name : null;
}

/** The path of the watch page of a live. */
export const watchPath = (name: string): string => `/live/${name}`;

/** The link to hand around: the page's own origin, which is known to be reachable. */
export const watchLink = (name: string, origin: string = location.origin): string =>
  origin + watchPath(name);
