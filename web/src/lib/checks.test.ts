import { expect, test } from 'vitest';
import { email, filled, newPassword, problems } from './checks';
import { fr } from './fr';

test('blanks do not fill a field', () => {
  expect([filled('  '), filled(' Binta ')]).toEqual([fr.errors.required, false]);
});

test('an address has one sign of its own, a host, and no blank inside', () => {
  expect(email('')).toBe(fr.errors.required);
  for (const wrong of ['binta', 'binta@', '@example.org', 'bin ta@example.org', 'a@b', 'a@@b.gn']) {
    expect(email(wrong), wrong).toBe(fr.errors.email);
  }
  expect(email(' binta.diallo@example.org ')).toBe(false);
});

test('a new password is long enough and typed twice', () => {
  const wrong = (password: string, again: string) => problems(newPassword(password, again));
  expect(wrong('', '')).toEqual({ password: [fr.errors.required] });
  expect(wrong('court', 'court')).toEqual({ password: [fr.errors.passwordShort] });
  expect(wrong('assez-long', 'autre')).toEqual({ password_confirm: [fr.errors.passwordsDiffer] });
  expect(wrong('assez-long', 'assez-long')).toEqual({});
});
