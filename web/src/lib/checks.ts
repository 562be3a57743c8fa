// What can be said of a form before the server is asked. Pure. A check answers what is wrong, or
// something falsy.

import { fr } from './fr';

export const PASSWORD_MIN = 8;

type Verdict = string | false;

export const filled = (text: string): Verdict => !text.trim() && fr.errors.required;

export const email = (text: string): Verdict =>
  filled(text) || (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text.trim()) && fr.errors.email);

/** A password to be, and the same once more. */
export const newPassword = (password: string, again: string) => ({
  password: filled(password) || (password.length < PASSWORD_MIN && fr.errors.passwordShort),
  password_confirm: password !== again && fr.errors.passwordsDiffer,
});

/** The errors of some checks, with the fields that are fine left out. */
export function problems(
  checks: Record<string, string | false | null | undefined>,
): Record<string, string[]> {
  const found = Object.entries(checks).filter((entry): entry is [string, string] => !!entry[1]);
  return Object.fromEntries(found.map(([name, message]) => [name, [message]]));
}
