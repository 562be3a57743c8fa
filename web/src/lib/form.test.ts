import { afterEach, expect, test, vi } from 'vitest';
import { errorFromResponse, errorFromSilence } from './api/errors';
import { problems } from './checks';
import { FormState } from './form.svelte';
import { fr } from './fr';

afterEach(() => vi.useRealTimers());

const refused = (status: number, body: unknown, retryAfter: string | null = null) =>
  vi.fn(() => Promise.reject(errorFromResponse(status, body, retryAfter)));

test('errors stand beside the fields that are shown, all others beside the button', async () => {
  const send = refused(400, {
    email: ['Cette adresse est prise.'],
    referral: ['Ce code est inconnu.'],
    non_field_errors: ['Réessayez.'],
  });
  const form = new FormState({ email: 'a@b.gn' }, { send });
  await form.submit();
  expect(form.errors).toEqual({ email: ['Cette adresse est prise.'] });
  expect(form.general).toEqual(['Réessayez.', 'Ce code est inconnu.']);
  form.touch('email');
  expect(form.errors).toEqual({});
  expect(form.busy).toBe(false);
});

test('what is wrong already is not sent', async () => {
  const send = vi.fn(() => Promise.resolve());
  const check = ({ name }: { name: string }) => problems({ name: !name && fr.errors.required });
  const form = new FormState({ name: '' }, { check, send });
  await form.submit();
  expect([send.mock.calls.length, form.wrongFields]).toEqual([0, 1]);
  form.values.name = 'Binta';
  await form.submit();
  expect([send.mock.calls.length, form.wrongFields]).toEqual([1, 0]);
});

test('a form that is on its way is not sent twice', async () => {
  let done = () => {};
  const send = vi.fn(() => new Promise<void>((sent) => (done = sent)));
  const form = new FormState({}, { send });
  const first = form.submit();
  await form.submit();
  expect([send.mock.calls.length, form.busy]).toEqual([1, true]);
  done();
  await first;
  expect(form.busy).toBe(false);
});

test('who tried too often is told how long to wait, and waits', async () => {
  vi.useFakeTimers();
  const send = refused(429, { detail: 'Requête ralentie.' }, '3');
  const form = new FormState({}, { send });
  await form.submit();
  expect([form.waitSeconds, form.general]).toEqual([3, [fr.errors.throttled(3)]]);
  await form.submit();
  expect(send).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(3000);
  expect([form.waitSeconds, form.general]).toEqual([0, []]);
  await form.submit();
  expect(send).toHaveBeenCalledTimes(2);
  form.stop();
});

test('a server that is out of reach is told as such', async () => {
  const send = vi.fn(() => Promise.reject(errorFromSilence('network')));
  const form = new FormState({ email: '' }, { send });
  await form.submit();
  expect(form.general).toEqual([fr.errors.network]);
});
