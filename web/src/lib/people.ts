// What people are called. Pure.

import type { Writer } from './api/post-types';
import { feedWords } from './fr-feed';

/** Who wrote something, as readers may know him; `own` is whether the reader did. */
export function nameOf(author: Writer, isAnonymous: boolean, own: boolean): string {
  if (isAnonymous) return own ? feedWords.post.anonymousYou : feedWords.post.anonymous;
  return [author.first_name, author.last_name].join(' ').trim() || feedWords.post.someone;
}

/** What a post without a title is called: by its reader, or (`own` false) by all who may hear of it. */
export const calledPost = (author: Writer, isAnonymous: boolean, own: boolean): string =>
  isAnonymous && own
    ? feedWords.post.anonymousOwn
    : feedWords.post.title(nameOf(author, isAnonymous, own));

/** What the server says of who lives nowhere it knows of, or of whom nobody is to know. */
const NOWHERE = 'Non spécifié';

/** Where somebody lives, if that may be said: of neighbours, who share a commune, the quartier alone. */
export function placeOf({ location_info }: Writer, isNeighbour: boolean): string {
  if (location_info === NOWHERE) return '';
  return isNeighbour ? (location_info.split(', ')[0] ?? '') : location_info;
}
