import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RealTime } from './real-time.svelte';

/** A socket whose other end is the test. */
class Socket {
  static readonly OPEN = 1;
  static all: Socket[] = [];
  readyState = Socket.OPEN;
  sent: Record<string, unknown>[] = [];
  onopen = () => {};
  onmessage: (event: { data: string }) => void = () => {};
  onclose: (event: { code: number }) => void = () => {};
  constructor() {
    Socket.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close() {
    this.readyState = 2;
  }
  get token() {
    return this.sent.find(({ type }) => type === 'auth')?.['token'] ?? null;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  Socket.all = [];
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('location', { origin: 'https://live.test' });
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('removeEventListener', () => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The socket that is opened next, once the page has come back. */
async function next(): Promise<Socket> {
  const before = Socket.all.length;
  await vi.advanceTimersByTimeAsync(before === 0 ? 0 : 10_000);
  expect(Socket.all.length).toBe(before + 1);
  const socket = Socket.all[before] as Socket;
  socket.onopen();
  return socket;
}

/** A session whose tokens are `first`, then `second`, then over. */
const access = () =>
  vi.fn((refused?: string) =>
    Promise.resolve(refused === undefined ? 'first' : refused === 'first' ? 'second' : null),
  );

test('who is let go with an old token comes back with another', async () => {
  const asked = access();
  const talk = new RealTime('abc', asked);
  const first = await next();
  expect(first.token).toBe('first');
  first.onclose({ code: 4401 });
  const second = await next();
  expect(second.token).toBe('second');
  second.onclose({ code: 1006 });
  await next();
  expect(asked.mock.calls).toEqual([[undefined], ['first'], ['first']]);
  talk.stop();
});

test('a token that is turned down is not taken for no token', async () => {
  const talk = new RealTime('abc', access());
  const refuse = { type: 'error', ref: null, status: 401, error: { detail: 'Jeton invalide.' } };
  const first = await next();
  first.onmessage({ data: JSON.stringify([refuse]) });
  first.onmessage({ data: JSON.stringify([{ type: 'live.joined' }]) });
  expect([first.readyState, talk.connected]).toEqual([2, false]);
  const second = await next();
  expect(second.token).toBe('second');
  // Where there is none any more, a stranger's it is.
  second.onmessage({ data: JSON.stringify([refuse]) });
  const third = await next();
  expect(third.token).toBeNull();
  third.onmessage({ data: JSON.stringify([{ type: 'live.joined' }]) });
  expect(talk.connected).toBe(true);
  talk.stop();
});

test('a member whose token cannot be asked for waits rather than come as a stranger', async () => {
  const asked = vi.fn(() => Promise.resolve<string | null>('first'));
  asked.mockRejectedValueOnce(new Error('network'));
  const talk = new RealTime('abc', asked);
  await vi.advanceTimersByTimeAsync(0);
  expect(Socket.all).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_000);
  Socket.all[0]?.onopen();
  expect(Socket.all.map(({ token }) => token)).toEqual(['first']);
  talk.stop();
});
