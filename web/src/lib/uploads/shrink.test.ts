import { expect, test } from 'vitest';
import { isShrinkable, shrunkName, shrunkSize, shrunkType } from './shrink';

const MB = 1_000_000;

test('a photograph becomes as large as it is shown, lying or standing', () => {
  expect(shrunkSize({ width: 4000, height: 3000 })).toEqual({ width: 1440, height: 1080 });
  expect(shrunkSize({ width: 3000, height: 4000 })).toEqual({ width: 1080, height: 1440 });
  expect(shrunkSize({ width: 8000, height: 1000 })).toEqual({ width: 1920, height: 240 });
  expect(shrunkSize({ width: 640, height: 480 })).toEqual({ width: 640, height: 480 });
  expect(shrunkSize({ width: 90_000, height: 1 })).toEqual({ width: 1920, height: 1 });
});

test('what may move, what is light and what is no picture goes as it is', () => {
  expect(isShrinkable({ type: 'image/jpeg', size: 5 * MB })).toBe(true);
  expect(isShrinkable({ type: 'image/heic', size: 2 * MB })).toBe(true);
  expect(isShrinkable({ type: 'image/jpeg', size: 120_000 })).toBe(false);
  expect(isShrinkable({ type: 'image/jpeg', size: 90 * MB })).toBe(false);
  for (const type of ['image/gif', 'image/webp', 'image/svg+xml', 'video/mp4', '']) {
    expect(isShrinkable({ type, size: 5 * MB })).toBe(false);
  }
});

test('it is called what it has become', () => {
  expect([shrunkType('image/png'), shrunkType('image/heic')]).toEqual(['image/png', 'image/jpeg']);
  expect(shrunkName('IMG_1.HEIC', 'image/jpeg')).toBe('IMG_1.jpg');
  expect(shrunkName('fête.JPEG', 'image/jpeg')).toBe('fête.JPEG');
  expect(shrunkName('.heic', 'image/jpeg')).toBe('photo.jpg');
  expect(shrunkName('plan.png', 'image/png')).toBe('plan.png');
});
