// Posts and what is said of them, as the HTTP contract has them, and the limits it sets.

import type { LivePost, Media } from './types';

export const POST_TYPES = ['info', 'event', 'help', 'announcement', 'discussion'] as const;
export type PostType = (typeof POST_TYPES)[number];

/** Who wrote something: without an id and a name where he is not to be known. */
export interface Writer {
  id: number | null;
  first_name: string;
  last_name: string;
  profile_picture: string | null;
  location_info: string;
}

export interface Comment {
  id: number;
  author: Writer;
  content: string;
  is_anonymous: boolean;
  parent_comment: number | null;
  replies: Comment[];
  replies_count: number;
  /** 0 at the top; 3 takes no reply any more. */
  level: number;
  created_at: string;
}

export interface Post extends Omit<LivePost, 'author' | 'live_stream'> {
  author: Writer;
  post_type: PostType;
  media_files: Media[];
  live_stream: Media | null;
  is_anonymous: boolean;
  likes_count: number;
  comments_count: number;
  shares_count: number;
  /** The last ten, oldest first. */
  comments: Comment[];
  is_liked_by_user: boolean;
}

/** What a member writes. */
export interface Draft {
  title: string;
  content: string;
  post_type: PostType;
  is_anonymous: boolean;
}

export const LIMITS = { title: 200, content: 5000, comment: 2000, media: 5, shareComment: 1000 };

/** For so long its author may change a post. */
export const EDITABLE_MS = 30 * 60_000;

/** What of the posts is asked for. */
export interface Wanted {
  type: PostType | 'live' | null;
  search: string;
}
