import { expect, test } from 'vitest';
import { ago, moment } from './moments';

test('how long ago is said as people say it', () => {
  const at = new Date(2026, 2, 12, 9, 5).toISOString();
  const after = (minutes: number) =>
    ago(at, Date.parse(at) + minutes * 60_000).replace(/\u00a0/g, ' ');
  const [hour, day] = [60, 24 * 60];
  expect(after(0)).toBe('à l’instant');
  // The clock of the device may be behind.
  expect(after(-3)).toBe('à l’instant');
  expect(after(5)).toBe('5 min');
  expect(after(3 * hour + 59)).toBe('3 h');
  expect(after(day)).toBe('hier');
  expect(after(3 * day)).toBe('3 j');
  expect(after(30 * day)).toBe('12 mars');
  expect(after(400 * day)).toBe('12 mars 2026');
});

test('yesterday is the day before, and the first of a month is its first', () => {
  const now = new Date(2026, 2, 12, 9, 5).getTime();
  const on = (day: number, hour: number) =>
    ago(new Date(2026, 2, day, hour).toISOString(), now).replace(/\u00a0/g, ' ');
  expect(on(11, 1)).toBe('hier');
  expect(on(10, 23)).toBe('2 j');
  expect(on(6, 0)).toBe('6 j');
  expect(on(5, 23)).toBe('5 mars');
  expect(on(1, 12)).toBe('1er mars');
  expect(moment(new Date(2026, 2, 1, 9, 5).toISOString())).toBe('1er mars 2026 à 09:05');
});
