// Thumbnails of a live or a recording: where in which picture each is, as WebVTT tells players. Pure, but for `load`.

export interface Thumbnail {
  /** From when on it stands for what is played, in seconds. */
  from: number;
  to: number;
  /** The picture it is in, and where there. */
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const CUE = /^(?:(\d+):)?(\d\d):(\d\d\.\d{3}) --> (?:(\d+):)?(\d\d):(\d\d\.\d{3})/;
const PLACE = /#xywh=(\d+),(\d+),(\d+),(\d+)$/;

/** Those that a WebVTT lists which was read from `base`, in their order. What cannot be read is left out. */
export function parse(vtt: string, base: string): Thumbnail[] {
  const lines = vtt.split(/\r?\n/);
  return lines.flatMap((line, at) => {
    const cue = CUE.exec(line);
    const address = lines[at + 1] ?? '';
    const place = PLACE.exec(address);
    if (!cue || !place) return [];
    const seconds = (h = 0, m = 0, s = 0) => h * 3600 + m * 60 + s;
    const [fromH, fromM, fromS, toH, toM, toS] = cue.slice(1).map((it) => Number(it ?? 0));
    const [x = 0, y = 0, width = 0, height = 0] = place.slice(1).map(Number);
    const url = new URL(address.replace(PLACE, ''), base).href;
    const [from, to] = [seconds(fromH, fromM, fromS), seconds(toH, toM, toS)];
    return width > 0 && height > 0 ? [{ from, to, url, x, y, width, height }] : [];
  });
}

/** The one that stands for a time; null before the first. */
export function at(thumbnails: readonly Thumbnail[], seconds: number): Thumbnail | null {
  let [low, high] = [0, thumbnails.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((thumbnails[middle]?.from ?? Infinity) <= seconds) low = middle + 1;
    else high = middle;
  }
  return thumbnails[low - 1] ?? null;
}

/**
 * Those of a live, whose line of time begins with the first of them, on one that begins at a date: the
 * picture that the first is in is called by its own.
 */
export function since(thumbnails: readonly Thumbnail[], originMs: number): Thumbnail[] {
  const first = /\/thumbnails\/(\d+)-\d+-[0-9a-f]+\.jpg/.exec(thumbnails[0]?.url ?? '')?.[1];
  if (first === undefined) return [];
  const later = (Number(first) - originMs) / 1000 - (thumbnails[0]?.from ?? 0);
  return thumbnails.map((it) => ({ ...it, from: it.from + later, to: it.to + later }));
}

/** Those at an address; none where there are none. */
export async function load(url: string): Promise<Thumbnail[]> {
  try {
    const response = await fetch(url, { credentials: 'omit' });
    return response.ok ? parse(await response.text(), response.url) : [];
  } catch {
    return [];
  }
}
