// What is known of a live and of what is said beside it, as the server's events bring it. Pure: the
// socket is in `real-time.svelte`, the words in `fr`.

import type { LiveStatus } from './api/types';

export interface ChatMessage {
  id: number;
  type: 'text' | 'emoji' | 'reaction';
  content: string;
  timestamp: string;
  author: {
    /** Null where nobody is to know: of the author of an anonymous live. */
    id: number | null;
    first_name: string;
    last_name: string;
    profile_picture: string | null;
  };
  reply_to?: number;
}

/** The events this page reads; it passes over all others. */
export type RealTimeEvent =
  | { type: 'session'; user_id: number }
  | {
      type: 'live.joined';
      live_id: number;
      status: LiveStatus;
      viewers_count: number | null;
      slow_mode_s: number;
      can_read: boolean;
      can_write: boolean;
      can_moderate: boolean;
    }
  | { type: 'live.state'; status: LiveStatus }
  | { type: 'live.viewers'; viewers_count: number }
  | { type: 'chat.message'; message: ChatMessage }
  /** What this page said has this id. */
  | { type: 'chat.said'; ref: string | null; id: number }
  | { type: 'chat.deleted'; id: number }
  | { type: 'chat.gap'; after: number }
  | { type: 'chat.banned'; user_id: number }
  | { type: 'chat.unbanned'; user_id: number }
  | { type: 'chat.slow_mode'; seconds: number };

export interface LiveChat {
  userId: number | null;
  liveId: number | null;
  status: LiveStatus | null;
  viewers: number | null;
  slowSeconds: number;
  canRead: boolean;
  canWrite: boolean;
  canModerate: boolean;
  /** What was said, oldest first. */
  messages: readonly ChatMessage[];
  /** What was put to those messages, oldest first. */
  reactions: readonly ChatMessage[];
  /** What this page said, oldest first: of somebody without an id there is no other way to tell. */
  said: readonly number[];
  /** Members who were seen to be kept from writing. */
  banned: readonly number[];
  /** The highest id heard of: who comes back asks for what follows. */
  newest: number | null;
  /** Whether some were left out between those shown. */
  hasGap: boolean;
}

export const EMPTY: LiveChat = {
  userId: null,
  liveId: null,
  status: null,
  viewers: null,
  slowSeconds: 0,
  canRead: false,
  canWrite: false,
  canModerate: false,
  messages: [],
  reactions: [],
  said: [],
  banned: [],
  newest: null,
  hasGap: false,
};

/** Messages a page keeps: some screens to scroll back, whatever is said. */
export const KEPT = 200;
/** Reactions a page keeps: they never push a message out. */
export const REACTIONS_KEPT = 1000;

/** The chat after one frame of events. */
export function afterAll(chat: LiveChat, events: readonly RealTimeEvent[]): LiveChat {
  const next = events.reduce(after, chat);
  return {
    ...next,
    messages: newestOf(next.messages, KEPT),
    reactions: newestOf(next.reactions, REACTIONS_KEPT),
    said: newestOf(next.said, KEPT + REACTIONS_KEPT),
  };
}

function newestOf<T>(list: readonly T[], kept: number): readonly T[] {
  return list.length > kept ? list.slice(list.length - kept) : list;
}

function after(chat: LiveChat, event: RealTimeEvent): LiveChat {
  switch (event.type) {
    case 'session':
      return { ...chat, userId: event.user_id };
    case 'live.joined':
      return {
        ...chat,
        liveId: event.live_id,
        status: event.status,
        viewers: event.viewers_count,
        slowSeconds: event.slow_mode_s,
        canRead: event.can_read,
        canWrite: event.can_write,
        canModerate: event.can_moderate,
      };
    case 'live.state':
      return { ...chat, status: event.status, canWrite: chat.canWrite && event.status !== 'ended' };
    case 'live.viewers':
      return { ...chat, viewers: event.viewers_count };
    case 'chat.message':
      return heard(chat, event.message);
    case 'chat.said':
      return { ...chat, said: [...chat.said, event.id] };
    case 'chat.deleted':
      return {
        ...chat,
        messages: chat.messages.filter(({ id }) => id !== event.id),
        reactions: chat.reactions.filter(({ id, reply_to }) => ![id, reply_to].includes(event.id)),
      };
    case 'chat.gap':
      return { ...chat, hasGap: true };
    case 'chat.banned':
      return {
        ...chat,
        banned: [...chat.banned.filter((id) => id !== event.user_id), event.user_id],
        canWrite: chat.canWrite && event.user_id !== chat.userId,
      };
    case 'chat.unbanned':
      return {
        ...chat,
        banned: chat.banned.filter((id) => id !== event.user_id),
        canWrite: event.user_id === chat.userId ? chat.status !== 'ended' : chat.canWrite,
      };
    case 'chat.slow_mode':
      return { ...chat, slowSeconds: event.seconds };
    default:
      return chat;
  }
}

function heard(chat: LiveChat, message: ChatMessage): LiveChat {
  // What is said while somebody joins may come twice, and never out of order.
  if (message.id <= (chat.newest ?? 0)) return chat;
  const next = { ...chat, newest: message.id };
  const { type, reply_to } = message;
  if (type !== 'reaction' || reply_to === undefined) {
    return { ...next, messages: [...chat.messages, message] };
  }
  // To a message that this page has not, or not any more: there is nowhere to show it.
  if (!chat.messages.some(({ id }) => id === reply_to)) return next;
  return { ...next, reactions: [...chat.reactions, message] };
}

/** Whether the reader said it. */
export const isOwn = ({ userId, said }: LiveChat, { id, author }: ChatMessage): boolean =>
  author.id === null ? said.includes(id) : author.id === userId;

/**
 * When the reader may write again, in Unix milliseconds of the server; in the past where nothing keeps
 * him. Who moderates is not asked to wait.
 */
export function mayWriteAtMs(chat: LiveChat): number {
  const { slowSeconds, canModerate, messages, reactions } = chat;
  if (slowSeconds === 0 || canModerate) return 0;
  const own = [...messages, ...reactions].filter((message) => isOwn(chat, message));
  return Math.max(0, ...own.map(({ timestamp }) => Date.parse(timestamp) + slowSeconds * 1000));
}

/** How often one thing was put to a message. */
export interface Tally {
  content: string;
  count: number;
  /** The reader's own, by which he takes it back. */
  own: number | null;
}

/** What was put to each message, each member's of one kind once, in the order of the first. */
export function tallies(chat: LiveChat): ReadonlyMap<number, readonly Tally[]> {
  const of = new Map<number, Map<string, { authors: Set<number | null>; own: number | null }>>();
  for (const reaction of chat.reactions) {
    const { id, reply_to = 0, content, author } = reaction;
    const kinds = of.get(reply_to) ?? new Map();
    const kind = kinds.get(content) ?? { authors: new Set(), own: null };
    kind.authors.add(author.id);
    if (isOwn(chat, reaction)) kind.own = id;
    of.set(reply_to, kinds.set(content, kind));
  }
  return new Map(
    [...of].map(([message, kinds]) => [
      message,
      [...kinds].map(([content, { authors, own }]) => ({ content, count: authors.size, own })),
    ]),
  );
}
