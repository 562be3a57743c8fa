// What people write, cut where it is an address. Pure.

export interface Part {
  text: string;
  /** Where it leads, if it is an address. */
  href?: string;
}

const ADDRESS = /https?:\/\/[^\s<>"]+/gi;
/** What ends a sentence, not an address. */
const TAIL = /[.,;:!?…)\]»”’]+$/;

/** The text with its French double punctuation where it belongs: never at the beginning of a line. */
export const tied = (text: string): string =>
  text.replace(/ (?=[!?:;»])/g, '\u00a0').replace(/« /g, '«\u00a0');

export function parts(text: string): Part[] {
  const found: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const href = match[0].replace(TAIL, '');
    if (match.index > at) found.push({ text: tied(text.slice(at, match.index)) });
    found.push({ text: href, href });
    at = match.index + href.length;
  }
  if (at < text.length) found.push({ text: tied(text.slice(at)) });
  return found;
}

const LONG = 480;
const LINES = 9;

/** The beginning of a text that is too long for a list; null where it is not. */
export function beginning(text: string): string | null {
  const lines = text.split('\n');
  const short = lines.slice(0, LINES).join('\n');
  if (short.length <= LONG) return lines.length > LINES ? short.trimEnd() : null;
  // Not much less than all of it, and not in the middle of a word.
  if (lines.length <= LINES && text.length < LONG * 1.25) return null;
  const cut = short.slice(0, LONG).replace(/\s+\S*$/, '');
  return cut.trimEnd();
}
