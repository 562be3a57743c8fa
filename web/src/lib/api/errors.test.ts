import { expect, test } from 'vitest';
import { fr } from '../fr';
import { errorFromResponse, errorFromSilence, parseRetryAfter } from './errors';

test('field errors stay with their fields', () => {
  const { details } = errorFromResponse(
    400,
    { username: ['Un utilisateur avec ce nom existe déjà.'], email: ['a', 'b'] },
    null,
  );
  expect(details.fields).toEqual({
    username: ['Un utilisateur avec ce nom existe déjà.'],
    email: ['a', 'b'],
  });
  expect(details.general).toEqual([]);
});

test('errors across fields, bare lists and single sentences speak for the whole form', () => {
  const general = (body: unknown) => errorFromResponse(400, body, null).details.general;
  expect(general({ non_field_errors: ['x'] })).toEqual(['x']);
  expect(general(['x', 'y'])).toEqual(['x', 'y']);
  expect(general({ error: 'x' })).toEqual(['x']);
  expect(general({ detail: 'x' })).toEqual(['x']);
});

test('a refusal repeated under three keys is told once', () => {
  const { details } = errorFromResponse(403, { detail: 'x', error: 'x', message: 'x' }, null);
  expect(details.general).toEqual(['x']);
  expect(details.fields).toEqual({});
});

test('what accompanies a bad token is not taken for fields', () => {
  const body = { detail: 'd', code: 'token_not_valid', messages: [{ message: 'm' }] };
  const { details } = errorFromResponse(401, body, null);
  expect(details).toMatchObject({ code: 'token_not_valid', general: ['d'], fields: {} });
});

test('a body that says nothing gets words from its status', () => {
  expect(errorFromResponse(500, null, null).message).toBe(fr.errors.server);
  expect(errorFromResponse(502, '<html>', null).message).toBe(fr.errors.server);
  expect(errorFromResponse(404, {}, null).message).toBe(fr.errors.notFound);
});

test('being throttled tells how long to wait', () => {
  const error = errorFromResponse(429, { detail: 'Requête ralentie.' }, '42');
  expect(error.details.retryAfterSeconds).toBe(42);
  expect(error.message).toBe(fr.errors.throttled(42));
  expect(error.isTransient).toBe(true);
});

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(parseRetryAfter('7', now)).toBe(7);
  expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30);
  expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
  expect(parseRetryAfter('soon', now)).toBeNull();
  expect(parseRetryAfter(null, now)).toBeNull();
});

test('silence is worth another try, a refusal is not', () => {
  expect(errorFromSilence('network').isTransient).toBe(true);
  expect(errorFromResponse(400, {}, null).isTransient).toBe(false);
});
