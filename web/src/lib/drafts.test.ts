import { beforeEach, expect, test, vi } from 'vitest';
import { forgetBegun } from './storage';
import { BLANK, keepDraft, keptDraft } from './drafts';

const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    key: (at: number) => [...kept.keys()][at] ?? null,
    get length() {
      return kept.size;
    },
    removeItem: (key: string) => void kept.delete(key),
  });
});

const draft = {
  title: 'Riz',
  content: 'Deux sacs',
  post_type: 'help',
  is_anonymous: true,
} as const;

test('what a member has begun is there when he comes back, for him alone', () => {
  keepDraft(7, draft);
  expect(keptDraft(7)).toEqual(draft);
  expect(keptDraft(8)).toEqual(BLANK);
});

test('nothing is kept of what was taken back or published', () => {
  keepDraft(7, draft);
  keepDraft(7, { ...draft, title: ' ', content: '\n' });
  expect(kept.size).toBe(0);
  expect(keptDraft(7)).toEqual(BLANK);
});

test('who signs out leaves nothing of it on the device, nor of files on their way', () => {
  keepDraft(7, draft);
  keepDraft(8, draft);
  kept.set('cc.uploads', '{}');
  kept.set('cc.player', 'muted');
  forgetBegun();
  expect([...kept.keys()]).toEqual(['cc.player']);
});

test('what cannot be read is a blank draft', () => {
  for (const odd of ['', '{', 'null', '[]', '{"content": 5, "post_type": "live"}']) {
    kept.set('cc.draft.7', odd);
    expect(keptDraft(7)).toEqual(BLANK);
  }
});
