import { expect, test } from 'vitest';
import { nextDelayMs } from './poller';

const pace = { visibleMs: 2000, hiddenMs: 15_000, maxMs: 30_000 };

test('a page nobody looks at asks less often', () => {
  expect(nextDelayMs(pace, false, 0, null)).toBe(2000);
  expect(nextDelayMs(pace, true, 0, null)).toBe(15_000);
});

test('failures slow it down, up to a ceiling', () => {
  expect(nextDelayMs(pace, false, 2, null)).toBe(8000);
  expect(nextDelayMs(pace, false, 20, null)).toBe(30_000);
});

test('the server’s own delay is respected', () => {
  expect(nextDelayMs(pace, false, 1, 60)).toBe(60_000);
  expect(nextDelayMs(pace, false, 4, 1)).toBe(30_000);
});
