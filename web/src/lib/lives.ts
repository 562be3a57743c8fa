// Lives as the list of posts tells them.

import type { LivePost, LiveStatus } from './api/types';
import { nameOfPlaylist } from './urls';

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
}

const ORDER: Record<LiveStatus, number> = { live: 0, interrupted: 1, created: 2, ended: 3 };

/** The lives one can open now, those on air first. Posts that name no live are left out. */
export function openLives(posts: readonly LivePost[]): ListedLive[] {
  return posts
    .flatMap((post) => {
      const name =
        post.live?.playback_name ?? nameOfPlaylist(post.live?.hls_url ?? post.hls_url) ?? null;
      const status = post.live?.status ?? 'live';
      if (!name || status === 'ended') return [];
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
        },
      ];
    })
    .sort((a, b) => ORDER[a.status] - ORDER[b.status]);
}

/** The one live of this user that has not ended. */
export function ownOpenLive(posts: readonly LivePost[], userId: number): number | null {
  const mine = posts.find(
    (post) => post.author.id === userId && post.live && post.live.status !== 'ended',
  );
  return mine?.id ?? null;
}
