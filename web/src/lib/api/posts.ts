// Posts of the commune, and what members do with them: likes, comments, shares, reports.

import { session } from '../session.svelte';
import { suffixed } from '../posts';
import type { Comment, Draft, Post, Wanted } from './post-types';
import type { Page } from './types';

const { api } = session;
const signal = (signal?: AbortSignal) => (signal ? { signal } : {});

export function listPath(root: string, { type, search }: Wanted, page: number): string {
  const query = new URLSearchParams();
  if (type) query.set('type', type);
  if (search) query.set('search', search);
  if (page > 1) query.set('page', String(page));
  return `${root}${suffixed(query)}`;
}

/** The posts of the member's commune, or of one member. */
export const list = (wanted: Wanted, page: number, of: number | null, stop?: AbortSignal) =>
  api.signed<Page<Post>>(
    listPath(of === null ? '/api/posts/' : `/api/posts/user/${of}/`, wanted, page),
    signal(stop),
  );

export const one = (id: number) => api.signed<Post>(`/api/posts/${id}/`);

export const create = (draft: Draft, media_files: number[]) =>
  api.signed<Post>('/api/posts/', { method: 'POST', body: { ...draft, media_files } });

export const change = (id: number, changed: Partial<Draft>) =>
  api.signed<Post>(`/api/posts/${id}/`, { method: 'PATCH', body: changed });

export const remove = (id: number) => api.signed(`/api/posts/${id}/`, { method: 'DELETE' });

export const like = (id: number) =>
  api.signed(`/api/posts/${id}/like/`, { method: 'POST', body: {} });

export const unlike = (id: number) => api.signed(`/api/posts/${id}/like/`, { method: 'DELETE' });

export const looked = (id: number) =>
  api.signed(`/api/posts/${id}/increment-views/`, { method: 'POST', body: {} });

export const report = (id: number, reason: string) =>
  api.signed<{ message: string }>(`/api/posts/${id}/report/`, { method: 'POST', body: { reason } });

/** Top-level comments with their replies, oldest first. */
export const comments = (post: number, page: number) =>
  api.signed<Page<Comment>>(`/api/posts/${post}/comments/${page > 1 ? `?page=${page}` : ''}`);

export const say = (post: number, content: string, parent: number | null) =>
  api.signed<Comment>(`/api/posts/${post}/comments/`, {
    method: 'POST',
    body: { content, ...(parent === null ? {} : { parent_comment: parent }) },
  });

export const removeComment = (id: number) =>
  api.signed(`/api/posts/comments/${id}/`, { method: 'DELETE' });

/** Passes a post on within the site; whether this member had not yet. */
export async function share(id: number): Promise<{ message: string; isNew: boolean }> {
  let isNew = false;
  const { message } = await api.signed<{ message: string }>(`/api/posts/posts/${id}/share/`, {
    method: 'POST',
    body: { share_type: 'share', comment: '' },
    onstatus: (status) => (isNew = status === 201),
  });
  return { message, isNew };
}

export type Platform = 'whatsapp' | 'facebook' | 'twitter' | 'telegram' | 'email' | 'copy_link';

/** Notes that a post is passed on elsewhere. */
export const sharedOn = (id: number, platform: Platform) =>
  api.signed(`/api/posts/posts/${id}/share-external/`, { method: 'POST', body: { platform } });
