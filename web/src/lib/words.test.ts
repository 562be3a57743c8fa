import { expect, test } from 'vitest';
import { beginning, parts, tied } from './words';

test('addresses are links, and what ends a sentence is not part of them', () => {
  expect(parts('Voir https://a.org/x?y=1. Ou (http://b.org) !')).toEqual([
    { text: 'Voir ' },
    { text: 'https://a.org/x?y=1', href: 'https://a.org/x?y=1' },
    { text: '. Ou (' },
    { text: 'http://b.org', href: 'http://b.org' },
    { text: ')\u00a0!' },
  ]);
});

test('nothing but the web is a link', () => {
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://a', '']) {
    expect(parts(text).some(({ href }) => href !== undefined)).toBe(false);
  }
});

test('a long text begins with whole words, a short one is whole', () => {
  expect(beginning('Bonjour')).toBeNull();
  const cut = beginning('mot '.repeat(300)) ?? '';
  expect(cut.length).toBeLessThanOrEqual(480);
  expect(cut.endsWith('mot')).toBe(true);
  // It would save a word or two.
  expect(beginning('mot '.repeat(130))).toBeNull();
  expect(beginning('a\n'.repeat(30))?.split('\n')).toHaveLength(9);
});

test('French punctuation stays with its word', () => {
  expect(tied('Quoi ? « Rien » : 3 ; 4')).toBe('Quoi\u00a0? «\u00a0Rien\u00a0»\u00a0: 3\u00a0; 4');
});
