import { expect, test, vi } from 'vitest';
import { Api } from './client';
import { asApiError } from './errors';
import { TokenKeeper } from './tokens';

type Answer = [status: number, body: unknown, headers?: Record<string, string>];

/** An API client over a list of answers, with a session whose tokens are `a0` and `r0`. */
function client(...answers: Answer[]) {
  const send = vi.fn<typeof fetch>(async () => {
    const [status, body, headers] = answers.shift() ?? [500, null];
    return new Response(JSON.stringify(body), { status, headers: headers ?? {} });
  });
  let stored: string | null = null;
  const storage = { get: () => stored, set: (value: string | null) => (stored = value) };
  const api: Api = new Api(() => tokens, send);
  const tokens = new TokenKeeper(storage, api.rotate, (task) => task(), api.revoke);
  tokens.keep({ access: 'a0', refresh: 'r0' });
  const sent = () =>
    send.mock.calls.map(
      ([path, init]) =>
        `${init?.method} ${String(path)} ${new Headers(init?.headers).get('authorization') ?? '-'}`,
    );
  return { api, tokens, sent };
}

test('an expired token is renewed once and the request sent again', async () => {
  const { api, sent } = client(
    [401, { detail: 'x', code: 'token_not_valid' }],
    [200, { access: 'a1', refresh: 'r1' }],
    [200, { status: 'live' }],
  );
  expect(await api.ownLive(5)).toEqual({ status: 'live' });
  expect(sent()).toEqual([
    'GET /api/posts/live/5/status/ Bearer a0',
    'POST /api/token/refresh/ -',
    'GET /api/posts/live/5/status/ Bearer a1',
  ]);
});

test('a session that is over is announced, and not retried', async () => {
  const { api, tokens, sent } = client([401, {}], [401, { code: 'token_not_valid' }]);
  api.onSignedOut = vi.fn();
  await expect(api.stopLive(5)).rejects.toMatchObject({ status: 401 });
  expect(api.onSignedOut).toHaveBeenCalledOnce();
  expect(tokens.hasSession).toBe(false);
  expect(sent()).toHaveLength(2);
});

test('a token asked for by itself says too when the session is over', async () => {
  const { api } = client([401, { code: 'token_not_valid' }]);
  api.onSignedOut = vi.fn();
  expect(await api.access('a0')).toBeNull();
  expect(await api.access('a0')).toBeNull();
  expect(api.onSignedOut).toHaveBeenCalledOnce();
});

test('a wrong password is no lost session', async () => {
  const { api, tokens } = client([401, { error: 'Email ou mot de passe incorrect' }]);
  api.onSignedOut = vi.fn();
  const error = asApiError(await api.signIn('a@b.gn', 'x').catch((e: unknown) => e));
  expect(error.message).toBe('Email ou mot de passe incorrect');
  expect(api.onSignedOut).not.toHaveBeenCalled();
  expect(tokens.hasSession).toBe(true);
});

test('a link that is cut is told from a refusal', async () => {
  const api = new Api(
    () => {
      throw new Error('unused');
    },
    () => Promise.reject(new TypeError('Failed to fetch')),
  );
  await expect(api.regions()).rejects.toMatchObject({ details: { failure: 'network', status: 0 } });
});

test('an answer that is cut short, or is not the server’s, is no success', async () => {
  const answered = (response: Response) =>
    new Api(
      () => {
        throw new Error('unused');
      },
      async () => response,
    ).regions();
  const cut = new ReadableStream({
    start(body) {
      body.enqueue(new TextEncoder().encode('{"regions": ['));
      body.error(new TypeError('network'));
    },
  });
  for (const body of [cut, '{"regions": [', '<h1>Bienvenue à l’hôtel</h1>', '']) {
    await expect(answered(new Response(body, { status: 200 }))).rejects.toMatchObject({
      details: { failure: 'network', status: 0 },
    });
  }
  await expect(answered(new Response('<h1>', { status: 502 }))).rejects.toMatchObject({
    status: 502,
  });
});

test('an answer that has nothing to say has said it', async () => {
  const api = new Api(
    () => {
      throw new Error('unused');
    },
    async () => new Response(null, { status: 204 }),
  );
  await expect(api.revoke({ access: 'a0', refresh: 'r0' })).resolves.toBeUndefined();
});

test('times are told by the server’s clock', async () => {
  const { api } = client([200, { regions: [] }, { date: 'Thu, 01 Jan 2032 00:00:00 GMT' }]);
  await api.regions();
  expect(new Date(api.now()).getUTCFullYear()).toBe(2032);
});
