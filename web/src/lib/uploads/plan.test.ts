import { expect, test } from 'vitest';
import { marked, metadata, next, secondsLeft, share, TRIES, type Mark } from './plan';

test('a broken link is tried again, until its sender should decide', () => {
  for (const status of [0, 408, 409, 423, 429, 500, 503]) {
    expect(next(status, 0), String(status)).toBe('later');
    expect(next(status, TRIES), String(status)).toBe('stop');
  }
});

test('what the server will not have is not sent again', () => {
  for (const status of [400, 401, 403, 412, 413, 415]) expect(next(status, 0)).toBe('refused');
});

test('what the server has forgotten begins anew, but not for ever', () => {
  expect([next(404, 0), next(404, TRIES)]).toEqual(['anew', 'stop']);
});

test('nothing is all there before the server says so', () => {
  expect([share(0, 200), share(50, 200), share(200, 200), share(0, 0)]).toEqual([0, 0.25, 0.99, 0]);
});

test('the time that is left follows how fast it goes now', () => {
  const run = (...points: [atMs: number, sent: number][]) =>
    points.reduce<Mark[]>((marks, [atMs, sent]) => marked(marks, { atMs, sent }), []);
  expect(secondsLeft(run([0, 0], [500, 900]), 1000)).toBeNull();
  expect(secondsLeft(run([0, 0], [2000, 200]), 1000)).toBe(8);
  // What was long ago does not count, and a new beginning forgets what was before.
  expect(secondsLeft(run([0, 0], [20_000, 100], [22_000, 500]), 1000)).toBe(3);
  expect(secondsLeft(run([0, 900], [1000, 0], [3000, 500]), 1000)).toBe(2);
});

test('a name of any alphabet travels', () => {
  const [key, value] = metadata('été à Conakry.mp4').split(' ');
  expect(key).toBe('filename');
  const bytes = Uint8Array.from(atob(value ?? ''), (char) => char.charCodeAt(0));
  expect(new TextDecoder().decode(bytes)).toBe('été à Conakry.mp4');
});
