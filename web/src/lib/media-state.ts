// What has become of a picture or video, in one word. Pure.

import type { Media } from './api/types';

export type MediaState =
  /** In the queue of those that are made playable. */
  | 'waiting'
  | 'running'
  /** It could not be made playable. */
  | 'failed'
  /** Ready, and not seen by others before somebody has looked at it. */
  | 'review'
  | 'shown'
  /** Looked at, and not shown. */
  | 'refused';

export function stateOf({ processing_status, approval_status }: Media): MediaState {
  if (processing_status !== 'done') return processing_status;
  if (approval_status === 'approved') return 'shown';
  return approval_status === 'pending' ? 'review' : 'refused';
}

/** Whether something still happens to it by itself. */
export const isMoving = (media: Media): boolean => ['waiting', 'running'].includes(stateOf(media));

/** A list with one of its media as it is now; a new one comes first. */
export function withMedia(list: readonly Media[], media: Media): Media[] {
  return list.some(({ id }) => id === media.id)
    ? list.map((it) => (it.id === media.id ? media : it))
    : [media, ...list];
}

/** `00:01:07` as people write it: `1:07`. */
export const length = (duration: string): string =>
  duration.replace(/^00:0?/, '').replace(/\.\d+$/, '');
