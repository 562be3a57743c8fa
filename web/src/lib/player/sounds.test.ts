import { expect, test } from 'vitest';
import { choices } from './sounds';

test('one sound is no choice', () => {
  expect(choices([{ name: 'Piste 1', url: 'a' }])).toEqual([]);
});

test('a sound is called as its publisher calls it, else by its language, else by its number', () => {
  const labels = (...tracks: { name: string; lang?: string }[]) =>
    choices(tracks.map((track) => ({ ...track, url: '' }))).map(({ label }) => label);
  expect(labels({ name: 'fr', lang: 'fr' }, { name: 'ar', lang: 'ar' })).toEqual([
    'Français',
    'Arabe',
  ]);
  expect(labels({ name: 'Commentaire', lang: 'fr' }, { name: 'Piste 2' })).toEqual([
    'Commentaire',
    'Piste 2',
  ]);
});
