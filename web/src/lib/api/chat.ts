// What is done to the chat of a live over HTTP: taking messages away, keeping members from writing,
// slowing all down. What is said goes over the connection of `real-time`.

import { session } from '../session.svelte';

const chatOf = (live: number) => `/api/posts/live/${live}/chat`;

export const removeMessage = (live: number, id: number) =>
  session.api.signed(`${chatOf(live)}/messages/${id}/`, { method: 'DELETE' });

export const ban = (live: number, user: number) =>
  session.api.signed(`${chatOf(live)}/bans/${user}/`, { method: 'PUT', body: {} });

export const unban = (live: number, user: number) =>
  session.api.signed(`${chatOf(live)}/bans/${user}/`, { method: 'DELETE' });

export const slowDown = (live: number, seconds: number) =>
  session.api.signed(`${chatOf(live)}/slow-mode/`, { method: 'PUT', body: { seconds } });
