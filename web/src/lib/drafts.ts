// What a member has begun to write and not published yet: kept by his browser, for him alone.

import { POST_TYPES, type Draft } from './api/post-types';
import { BEGUN, read, write } from './storage';

export const BLANK: Draft = { title: '', content: '', post_type: 'info', is_anonymous: false };

const keyOf = (member: number) => `${BEGUN.draft}${member}`;

/** What was kept; a blank one where nothing was, or nothing that can be read. */
export function keptDraft(member: number): Draft {
  try {
    const kept = JSON.parse(read(keyOf(member)) ?? '{}') as Partial<Draft>;
    return {
      title: text(kept.title),
      content: text(kept.content),
      post_type: POST_TYPES.find((type) => type === kept.post_type) ?? BLANK.post_type,
      is_anonymous: kept.is_anonymous === true,
    };
  } catch {
    return { ...BLANK };
  }
}

/** Keeps it; of a blank one nothing. */
export function keepDraft(member: number, draft: Draft): void {
  const isBlank = !draft.title.trim() && !draft.content.trim();
  write(keyOf(member), isBlank ? null : JSON.stringify(draft));
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
