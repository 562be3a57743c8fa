// Lives as the list of posts tells them.

import type { LivePost, LiveStatus } from './api/types';
import { milliseconds } from './format';
import { nameOfPlaylist, ownPath } from './urls';

export interface ListedLive {
  id: number;
  name: string;
  title: string;
  status: LiveStatus;
  startedAt: string | null;
  /** Null where viewers are not counted. */
  viewers: number | null;
  /** For the quartier of its author alone. */
  reserved: boolean;
  author: LivePost['author'];
  /** What it looks like; on the page's own origin. */
  poster: string | null;
  /** How long it plays, once it can be watched again. */
  lastsMs: number | null;
}

const ORDER: Record<LiveStatus, number> = { live: 0, interrupted: 1, created: 2, ended: 3 };

/** The lives one can open now, those on air first. Posts that name no live are left out. */
export function openLives(posts: readonly LivePost[]): ListedLive[] {
  return posts
    .flatMap(listed)
    .filter(({ status }) => status !== 'ended')
    .sort((a, b) => ORDER[a.status] - ORDER[b.status]);
}

function listed(post: LivePost): ListedLive[] {
  const name =
    post.live?.playback_name ?? nameOfPlaylist(post.live?.hls_url ?? post.hls_url) ?? null;
  const status = post.live?.status ?? 'live';
  if (!name) return [];
  const poster = status === 'ended' ? post.live_stream?.thumbnail_url : post.live?.thumbnail_url;
  return [
    {
      id: post.id,
      name,
      title: post.live?.title || post.title || post.content,
      status,
      startedAt: post.live?.started_at ?? null,
      viewers: post.live?.viewers_count ?? null,
      reserved: post.live?.audience === 'quartier',
      author: post.author,
      poster: ownPath(poster),
      lastsMs: milliseconds(post.live_stream?.duration),
    },
  ];
}

/** The one live of this user that has not ended. */
export function ownOpenLive(posts: readonly LivePost[], userId: number): number | null {
  const mine = posts.find(
    (post) => post.author.id === userId && post.live && post.live.status !== 'ended',
  );
  return mine?.id ?? null;
}
