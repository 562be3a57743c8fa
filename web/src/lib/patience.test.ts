import { expect, test } from 'vitest';
import { comeBackMs } from './patience';

test('broken connections come back later and later, each in a time of its own', () => {
  expect([comeBackMs(0, 0), comeBackMs(0, 1)]).toEqual([500, 1000]);
  expect(comeBackMs(3, 1)).toBe(8000);
  expect(comeBackMs(50, 1)).toBe(30_000);
});
