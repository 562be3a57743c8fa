import { expect, test } from 'vitest';
import { checkedFile, moved } from './choice';

const MB = 1_000_000;
const file = (type: string, size = MB) => ({ name: 'f', type, size });

test('a post takes five pictures and videos, and nothing else', () => {
  expect(checkedFile(file('image/jpeg'), 4, 5)).toBeNull();
  expect(checkedFile(file('image/jpeg'), 5, 5)).toMatch('Au plus 5');
  expect(checkedFile(file('application/pdf'), 0, 5)).toMatch('ni une photo');
  expect(checkedFile(file(''), 0, 5)).toBeNull();
});

test('what the server would refuse for its size does not travel first', () => {
  expect(checkedFile(file('video/mp4', 50 * MB), 0, 5)).toBeNull();
  expect(checkedFile(file('video/mp4', 50 * MB + 1), 0, 5)).toMatch('50 Mo');
  expect(checkedFile(file('image/gif', 10 * MB + 1), 0, 5)).toMatch('10 Mo');
  // It is made smaller before it goes.
  expect(checkedFile(file('image/jpeg', 20 * MB), 0, 5)).toBeNull();
});

test('one takes the place of another, and the others make room', () => {
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
  for (const [from, to] of [
    [0, 3],
    [0, -1],
    [-1, 0],
    [3, 0],
  ] as const) {
    expect(moved(['a', 'b', 'c'], from, to)).toEqual(['a', 'b', 'c']);
  }
});
