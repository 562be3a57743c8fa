// The member's own profile.

import { session } from '../session.svelte';
import type { User } from './types';

/** All of it: only its member is told so much. */
export interface Profile extends User {
  bio: string;
  phone_number: string;
  date_joined: string;
}

export interface Figures {
  total_posts: number;
  total_likes_received: number;
  total_views_received: number;
}

const PATH = '/api/users/my-profile/';
type Changed = Partial<
  Pick<Profile, 'first_name' | 'last_name' | 'bio' | 'phone_number' | 'quartier'>
> & { profile_picture?: null };

export const profile = () => session.api.signed<Profile>(PATH);

export async function changeProfile(changed: Changed | FormData): Promise<Profile> {
  const options = { method: 'PATCH', body: changed } as const;
  const { user } = await session.api.signed<{ user: Profile }>(PATH, options);
  session.remember(user);
  return user;
}

export const figures = () => session.api.signed<Figures>('/api/posts/analytics/user/');
