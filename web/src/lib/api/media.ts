// The member's own pictures and videos.

import { session } from '../session.svelte';
import type { Media, Page } from './types';

export const ownMedia = (page: number) =>
  session.api.signed<Page<Media>>(`/api/posts/media/?approval_status=all&page=${page}`);

export const oneMedia = (id: number, signal?: AbortSignal) =>
  session.api.signed<Media>(`/api/posts/media/${id}/`, signal ? { signal } : {});

export const removeMedia = (id: number) =>
  session.api.signed(`/api/posts/media/${id}/`, { method: 'DELETE' });
