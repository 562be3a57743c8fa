// Posts as screens show them. Pure.

import type { Comment, Post, PostType, Wanted } from './api/post-types';
import { EDITABLE_MS, POST_TYPES } from './api/post-types';
import { nameOfPlaylist, nameOfRecording, ownPath } from './urls';
import type { LiveStatus } from './api/types';
import { milliseconds } from './format';

/** A query as it stands behind a path: nothing where it asks for nothing. */
export function suffixed(query: URLSearchParams): string {
  const text = query.toString();
  return text && `?${text}`;
}

/** The page of a post: the address to hand around. */
export const postPath = (id: number): string => `/post/${id}`;
export const memberPath = (id: number): string => `/membre/${id}`;

/** What the address of the feed asks for: `?type=event&q=riz`. Words it does not know say nothing. */
export function wantedOf(search: string): Wanted {
  const query = new URLSearchParams(search);
  const type = query.get('type') as PostType | 'live' | null;
  const isType = type !== null && (type === 'live' || POST_TYPES.includes(type));
  return { type: isType ? type : null, search: (query.get('q') ?? '').trim() };
}

/** The address of the feed that asks for that. */
export function feedPath({ type, search }: Wanted): string {
  const query = new URLSearchParams();
  if (type) query.set('type', type);
  if (search) query.set('q', search);
  return `/${suffixed(query)}`;
}

/** Rows of a newer first page in front of those listed, each once and as it is now. */
export function refreshed<T extends { id: number }>(list: readonly T[], first: readonly T[]): T[] {
  const known = new Set(first.map(({ id }) => id));
  return [...first, ...list.filter(({ id }) => !known.has(id))];
}

/** The rows of a first page down to the last that is listed, below which it tells nothing new; null where
 * none of it is. */
export function downToListed<T extends { id: number }>(
  list: readonly { id: number }[],
  first: readonly T[],
): T[] | null {
  const known = new Set(list.map(({ id }) => id));
  const after = first.map(({ id }) => known.has(id)).lastIndexOf(true) + 1;
  return after === 0 ? null : first.slice(0, after);
}

/** Whether its author may still change it. */
export const isEditable = (post: Post, now: number): boolean =>
  now - Date.parse(post.created_at) < EDITABLE_MS;

/** The live of a post, or what was recorded of it. */
export interface ShownLive {
  name: string;
  status: LiveStatus;
  title: string;
  poster: string | null;
  viewers: number | null;
  lastsMs: number | null;
  reserved: boolean;
}

export function liveOf(post: Post): ShownLive | null {
  const { live, live_stream: recorded } = post;
  const file = recorded?.media_type === 'live' ? nameOfRecording(recorded.file) : null;
  const name = live?.playback_name ?? nameOfPlaylist(live?.hls_url) ?? file;
  if (!name || (!live && file === null)) return null;
  const status = live?.status ?? 'ended';
  const isOver = status === 'ended';
  return {
    name,
    status,
    title: live?.title || post.title,
    poster: ownPath(isOver ? recorded?.thumbnail_url : live?.thumbnail_url),
    viewers: isOver ? null : (live?.viewers_count ?? null),
    lastsMs: isOver && file !== null ? milliseconds(recorded?.duration) : null,
    reserved: live?.audience === 'quartier',
  };
}

/** What clients write of a live for who writes nothing: it says nothing, and stays when it is over. */
const UNSAID = ['Live en cours', 'Live démarré !'];

/** What the author of a live says of it himself. */
export const said = (content: string): string => (UNSAID.includes(content) ? '' : content);

/** The pictures and videos beside a live's recording, which has a place of its own. */
export const shownMedia = (post: Post) =>
  post.media_files.filter(({ media_type }) => media_type !== 'live');

/** The mean colour of a BlurHash (its first component), to stand in until the picture is there. */
export function colourOf(hash: string | null | undefined): string | null {
  const DIGITS =
    '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~';
  const digits = Array.from(hash?.slice(2, 6) ?? '', (digit) => DIGITS.indexOf(digit));
  if (digits.length < 4 || digits.includes(-1)) return null;
  const value = digits.reduce((all, digit) => all * 83 + digit, 0);
  return value > 0xffffff ? null : `#${value.toString(16).padStart(6, '0')}`;
}

/** The room a picture takes: as wide as the column, not higher than a screen bears. */
export function ratioOf(width: number | null, height: number | null): number {
  if (!width || !height) return 4 / 3;
  return Math.min(Math.max(width / height, 0.8), 2);
}

// Comments

/** Comments of both lists in the order in which they were written, the newer reading of each. */
export function withComments(list: readonly Comment[], more: readonly Comment[]): Comment[] {
  const all = new Map([...list, ...more].map((comment) => [comment.id, comment]));
  return [...all.values()].sort((a, b) => a.id - b.id);
}

/** The comments with a new one where it belongs: last, or last below what it answers. */
export function withComment(list: readonly Comment[], added: Comment): Comment[] {
  if (added.parent_comment === null) return withComments(list, [added]);
  return list.map((comment) => {
    const isParent = comment.id === added.parent_comment;
    const replies = isParent
      ? withComments(comment.replies, [added])
      : withComment(comment.replies, added);
    return { ...comment, replies };
  });
}

/** The comments without one, and how many have gone with it. */
export function withoutComment(list: readonly Comment[], id: number): [Comment[], number] {
  let gone = 0;
  const left = list.flatMap((comment) => {
    if (comment.id === id) {
      gone += 1 + countOf(comment.replies);
      return [];
    }
    const [replies, below] = withoutComment(comment.replies, id);
    gone += below;
    return [{ ...comment, replies }];
  });
  return [left, gone];
}

/** How many comments there are, replies included. */
export const countOf = (list: readonly Comment[]): number =>
  list.reduce((all, { replies }) => all + 1 + countOf(replies), 0);

/** All that answers a comment, in the order in which it was written, with what each answers. */
export function thread(comment: Comment): { reply: Comment; to: Comment }[] {
  const below = comment.replies.flatMap((reply) => [{ reply, to: comment }, ...thread(reply)]);
  return below.sort((a, b) => a.reply.id - b.reply.id);
}

/** Of pages of `size`, oldest first, the one with the comment before the last `shown` of `total`. */
export const earlierPage = (total: number, shown: number, size: number): number =>
  Math.max(1, Math.ceil((total - shown) / size));

/** Whether a page has a comment from before all those shown. */
export const bringsEarlier = (list: readonly Comment[], page: readonly Comment[]): boolean =>
  page.some(({ id }) => list.every((shown) => id < shown.id));
