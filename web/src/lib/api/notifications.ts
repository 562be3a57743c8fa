// What a member is told, and what of it he wants to be told.

import { session } from '../session.svelte';
import type { Page } from './types';

export type NotificationType =
  | 'like'
  | 'comment'
  | 'follow'
  | 'live_started'
  | 'live_ended'
  | 'mention'
  | 'post_shared'
  | 'system';

export interface Notification {
  id: number;
  sender: { id: number; first_name: string; last_name: string } | null;
  notification_type: NotificationType;
  title: string;
  message: string;
  is_read: boolean;
  created_at: string;
  extra_data: { post_id?: number; comment_id?: number };
}

/** The switches that something hangs on today. */
export const SWITCHES = [
  'likes_notifications',
  'comments_notifications',
  'mention_notifications',
  'live_notifications',
  'in_app_notifications',
  'push_notifications',
] as const;
export const FREQUENCIES = ['immediate', 'hourly', 'daily'] as const;
export type Preferences = Record<(typeof SWITCHES)[number], boolean> & {
  notification_frequency: (typeof FREQUENCIES)[number];
};

const { api } = session;

export const list = (page: number) =>
  api.signed<Page<Notification>>(`/api/notifications/${page > 1 ? `?page=${page}` : ''}`);

export const unreadCount = async (signal?: AbortSignal): Promise<number> =>
  (
    await api.signed<{ unread_count: number }>(
      '/api/notifications/count/',
      signal ? { signal } : {},
    )
  ).unread_count;

export const markRead = (id: number) =>
  api.signed(`/api/notifications/mark-read/${id}/`, { method: 'POST', body: {} });

export const markAllRead = () =>
  api.signed('/api/notifications/mark-all-read/', { method: 'POST', body: {} });

export const remove = (id: number) =>
  api.signed(`/api/notifications/${id}/delete/`, { method: 'DELETE' });

export const preferences = () => api.signed<Preferences>('/api/notifications/preferences/');

export const prefer = (changed: Partial<Preferences>) =>
  api.signed<Preferences>('/api/notifications/preferences/', { method: 'PATCH', body: changed });
