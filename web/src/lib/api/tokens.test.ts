import { afterEach, expect, test, vi } from 'vitest';
import {
  exclusiveByLease,
  LEASE_MS,
  TokenKeeper,
  type Exclusive,
  type TokenStorage,
} from './tokens';
import type { Tokens } from './types';

function memory(initial: string | null): TokenStorage & { value: string | null } {
  return {
    value: initial,
    get() {
      return this.value;
    },
    set(refresh) {
      this.value = refresh;
    },
  };
}

const revoke = async () => {};

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A lock as tabs share one. */
function lock(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task, task);
    last = run.catch(() => {});
    return run;
  };
}

/** A server that accepts each refresh token once, and ends the session when one comes back. */
function server(first: string) {
  let valid: string | null = first;
  let turn = 0;
  return vi.fn(async (refresh: string): Promise<Tokens | null> => {
    await Promise.resolve();
    if (refresh !== valid) {
      valid = null;
      return null;
    }
    turn += 1;
    valid = `r${turn}`;
    return { access: `a${turn}`, refresh: valid };
  });
}

test('many callers share one rotation', async () => {
  const rotate = server('r0');
  const keeper = new TokenKeeper(memory('r0'), rotate, lock(), revoke);
  const all = await Promise.all([keeper.access(), keeper.access(), keeper.access()]);
  expect(all).toEqual(['a1', 'a1', 'a1']);
  expect(rotate).toHaveBeenCalledTimes(1);
});

test('a token that still serves is not rotated', async () => {
  const rotate = server('r0');
  const keeper = new TokenKeeper(memory(null), rotate, lock(), revoke);
  keeper.keep({ access: 'a0', refresh: 'r0' });
  expect(await keeper.access()).toBe('a0');
  expect(rotate).not.toHaveBeenCalled();
});

test('a refused token is replaced, once, for all who held it', async () => {
  const rotate = server('r0');
  const keeper = new TokenKeeper(memory(null), rotate, lock(), revoke);
  keeper.keep({ access: 'a0', refresh: 'r0' });
  expect(await Promise.all([keeper.access('a0'), keeper.access('a0')])).toEqual(['a1', 'a1']);
  expect(await keeper.access('a0')).toBe('a1');
  expect(rotate).toHaveBeenCalledTimes(1);
});

test('two tabs that rotate at once do not end the session', async () => {
  const rotate = server('r0');
  const [storage, exclusive] = [memory('r0'), lock()];
  const tabs = [1, 2].map(() => new TokenKeeper(storage, rotate, exclusive, revoke));
  const tokens = await Promise.all(tabs.map((tab) => tab.access()));
  expect(tokens).toEqual(['a1', 'a2']);
  expect(storage.value).toBe('r2');
});

test('a dead refresh token ends the session here', async () => {
  const storage = memory('stolen');
  const keeper = new TokenKeeper(storage, server('r0'), lock(), revoke);
  expect(await keeper.access()).toBeNull();
  expect(storage.value).toBeNull();
  expect(keeper.hasSession).toBe(false);
});

test('a sign-in elsewhere during a failed rotation is kept', async () => {
  const storage = memory('old');
  const rotate = async () => {
    storage.set('fresh');
    return null;
  };
  expect(await new TokenKeeper(storage, rotate, lock(), revoke).access()).toBeNull();
  expect(storage.value).toBe('fresh');
});

test('a server that cannot be reached does not end the session', async () => {
  const storage = memory('r0');
  const rotate = vi.fn<() => Promise<Tokens | null>>().mockRejectedValueOnce(new Error('offline'));
  const keeper = new TokenKeeper(storage, rotate, lock(), revoke);
  await expect(keeper.access()).rejects.toThrow('offline');
  expect(storage.value).toBe('r0');
  rotate.mockResolvedValueOnce({ access: 'a1', refresh: 'r1' });
  expect(await keeper.access()).toBe('a1');
});

test('tokens renewed for a session that ended meanwhile are dropped and revoked', async () => {
  for (const meanwhile of [null, 'of somebody else']) {
    const storage = memory('r0');
    const revoked = vi.fn(revoke);
    const renewed = { access: 'a1', refresh: 'r1' };
    const rotate = async () => {
      storage.set(meanwhile);
      return renewed;
    };
    const keeper = new TokenKeeper(storage, rotate, lock(), revoked);
    expect(await keeper.access()).toBeNull();
    expect(storage.value).toBe(meanwhile);
    expect(revoked).toHaveBeenCalledExactlyOnceWith(renewed);
  }
});

/** The storage that tabs share; `null` for a browser that refuses it. */
function shareStorage(items: Map<string, string> | null): void {
  const of = () => {
    if (!items) throw new DOMException('refused', 'SecurityError');
    return items;
  };
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => of().get(key) ?? null,
    setItem: (key: string, value: string) => of().set(key, value),
    removeItem: (key: string) => of().delete(key),
  });
}

test('a lease lets one task run at a time, even the longest request', async () => {
  vi.useFakeTimers();
  shareStorage(new Map());
  const ran: string[] = [];
  const task = (name: string, ms: number) => async () => {
    ran.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, ms));
    ran.push(`${name} ends`);
  };
  const both = [
    exclusiveByLease('lock')(task('one', 20_000)),
    exclusiveByLease('lock')(task('other', 10)),
  ];
  await vi.advanceTimersByTimeAsync(30_000);
  await Promise.all(both);
  expect(ran.map((step) => step.split(' ')[1])).toEqual(['begins', 'ends', 'begins', 'ends']);
});

test('a lease that ran out is not released in place of the next one', async () => {
  vi.useFakeTimers();
  const items = new Map<string, string>();
  shareStorage(items);
  const slow = exclusiveByLease('lock')(
    () => new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS)),
  );
  await vi.advanceTimersByTimeAsync(1000);
  items.set('lock', `next ${Date.now() + 3 * LEASE_MS}`);
  await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
  await slow;
  expect(items.get('lock')).toMatch(/^next /);
});

test('a browser that refuses storage keeps nobody waiting', async () => {
  vi.useFakeTimers();
  shareStorage(null);
  const done = exclusiveByLease('lock')(async () => 'done');
  await vi.advanceTimersByTimeAsync(1000);
  expect(await done).toBe('done');
});

test('a lease from before the clock went back holds nobody up', async () => {
  vi.useFakeTimers();
  shareStorage(new Map([['lock', `gone ${Date.now() + 86_400_000}`]]));
  const done = exclusiveByLease('lock')(async () => 'done');
  await vi.advanceTimersByTimeAsync(1000);
  expect(await done).toBe('done');
});
