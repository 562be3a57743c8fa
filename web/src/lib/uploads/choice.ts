// Which files a post takes, and in what order it shows them. Pure.

import { publishWords as words } from '../fr-publish';

/** What the server takes (`docs/api.md`, "Files"). */
const VIDEO_BYTES = 50_000_000;
const PICTURE_BYTES = 10_000_000;
/** Other pictures are made smaller before they go. */
const AS_IT_IS = ['image/gif', 'image/webp'];

/** Why a file cannot be added to so many others; null where it can. */
export function checkedFile(
  { name, type, size }: Pick<File, 'name' | 'type' | 'size'>,
  others: number,
  max: number,
): string | null {
  // What a browser has no word for, the server looks at.
  if (type && !/^(image|video)\//.test(type)) return words.notMedia(name);
  if (others >= max) return words.full(max);
  if (type.startsWith('video/') && size > VIDEO_BYTES) return words.videoTooLarge(name);
  if (AS_IT_IS.includes(type) && size > PICTURE_BYTES) return words.imageTooLarge(name);
  return null;
}

/** A list with the one at `from` at `to`; as it is where there is no such place. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const left = [...list];
  if (from < 0 || from >= list.length || to < 0 || to >= list.length) return left;
  const [it] = left.splice(from, 1);
  if (it !== undefined) left.splice(to, 0, it);
  return left;
}
