import { expect, test } from 'vitest';
import type { Media } from './api/types';
import { isMoving, length, stateOf, withMedia } from './media-state';

const media = (
  processing_status: Media['processing_status'],
  approval_status: Media['approval_status'],
) => ({ id: 1, processing_status, approval_status }) as Media;

test('what is made comes before what is decided', () => {
  expect(stateOf(media('waiting', 'pending'))).toBe('waiting');
  expect(stateOf(media('running', 'pending'))).toBe('running');
  expect(stateOf(media('failed', 'rejected'))).toBe('failed');
  expect(stateOf(media('done', 'pending'))).toBe('review');
  expect(stateOf(media('done', 'approved'))).toBe('shown');
  expect(stateOf(media('done', 'rejected'))).toBe('refused');
  expect(stateOf(media('done', 'inappropriate'))).toBe('refused');
});

test('only what is being made is asked for again and again', () => {
  expect(isMoving(media('waiting', 'pending'))).toBe(true);
  expect(isMoving(media('running', 'pending'))).toBe(true);
  expect(isMoving(media('done', 'pending'))).toBe(false);
  expect(isMoving(media('failed', 'rejected'))).toBe(false);
});

test('what is new comes first, what is known stays where it is', () => {
  const of = (id: number) => ({ ...media('done', 'approved'), id });
  const ids = (list: Media[]) => list.map(({ id }) => id);
  expect(ids(withMedia([of(2), of(1)], of(3)))).toEqual([3, 2, 1]);
  expect(ids(withMedia([of(2), of(1)], of(1)))).toEqual([2, 1]);
});

test('a duration is told without what is zero', () => {
  expect(['00:00:07', '00:01:07.480000', '01:00:07'].map(length)).toEqual([
    '0:07',
    '1:07',
    '01:00:07',
  ]);
});
