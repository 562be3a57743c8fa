// What people are called. Pure.

import type { Writer } from './api/post-types';
import { feedWords } from './fr-feed';

/** Who wrote something, as readers may know him; `own` is whether the reader did. */
export function nameOf(author: Writer, isAnonymous: boolean, own: boolean): string {
  if (isAnonymous) return own ? feedWords.post.anonymousYou : feedWords.post.anonymous;
  return [author.first_name, author.last_name].join(' ').trim() || feedWords.post.someone;
}
