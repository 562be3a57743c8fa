// What is known of a live and of what is said beside it, as the server's events bring it. Pure: the
// socket is in `real-time.svelte`, the words in `fr`.

import type { LiveStatus } from './api/types';

export interface ChatMessage {
  id: number;
  type: 'text' | 'emoji' | 'reaction';
  content: string;
  timestamp: string;
  author: {
    id: number;
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
  /** Oldest first. */
  messages: readonly ChatMessage[];
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
  messages: [],
  hasGap: false,
};

/** Messages a page keeps: some screens to scroll back, whatever is said. */
export const KEPT = 200;

/** The chat after one frame of events. */
export function afterAll(chat: LiveChat, events: readonly RealTimeEvent[]): LiveChat {
  const next = events.reduce(after, chat);
  const excess = next.messages.length - KEPT;
  return excess > 0 ? { ...next, messages: next.messages.slice(excess) } : next;
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
      };
    case 'live.state':
      return { ...chat, status: event.status, canWrite: chat.canWrite && event.status !== 'ended' };
    case 'live.viewers':
      return { ...chat, viewers: event.viewers_count };
    case 'chat.message':
      // What is said while somebody joins may come twice, and never out of order.
      return event.message.id <= (lastId(chat) ?? 0)
        ? chat
        : { ...chat, messages: [...chat.messages, event.message] };
    case 'chat.deleted':
      return { ...chat, messages: chat.messages.filter(({ id }) => id !== event.id) };
    case 'chat.gap':
      return { ...chat, hasGap: true };
    case 'chat.banned':
      return event.user_id === chat.userId ? { ...chat, canWrite: false } : chat;
    case 'chat.unbanned':
      return event.user_id === chat.userId ? { ...chat, canWrite: chat.status !== 'ended' } : chat;
    case 'chat.slow_mode':
      return { ...chat, slowSeconds: event.seconds };
    default:
      return chat;
  }
}

/** The id after which who comes back asks for more. */
export function lastId(chat: LiveChat): number | null {
  return chat.messages[chat.messages.length - 1]?.id ?? null;
}

/** How soon to come back after `failures` broken connections: spread, so that not all come at once. */
export function comeBackMs(failures: number, random: number): number {
  const longest = Math.min(1000 * 2 ** failures, 30_000);
  return Math.round(longest * (0.5 + random / 2));
}
