import { expect, test, vi } from 'vitest';
import { TokenKeeper, type Exclusive, type TokenStorage } from './tokens';
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
  const keeper = new TokenKeeper(memory('r0'), rotate, lock());
  const all = await Promise.all([keeper.access(), keeper.access(), keeper.access()]);
  expect(all).toEqual(['a1', 'a1', 'a1']);
  expect(rotate).toHaveBeenCalledTimes(1);
});

test('a token that still serves is not rotated', async () => {
  const rotate = server('r0');
  const keeper = new TokenKeeper(memory(null), rotate, lock());
  keeper.keep({ access: 'a0', refresh: 'r0' });
  expect(await keeper.access()).toBe('a0');
  expect(rotate).not.toHaveBeenCalled();
});

test('a refused token is replaced, once, for all who held it', async () => {
  const rotate = server('r0');
  const keeper = new TokenKeeper(memory(null), rotate, lock());
  keeper.keep({ access: 'a0', refresh: 'r0' });
  expect(await Promise.all([keeper.access('a0'), keeper.access('a0')])).toEqual(['a1', 'a1']);
  expect(await keeper.access('a0')).toBe('a1');
  expect(rotate).toHaveBeenCalledTimes(1);
});

test('two tabs that rotate at once do not end the session', async () => {
  const rotate = server('r0');
  const [storage, exclusive] = [memory('r0'), lock()];
  const tabs = [1, 2].map(() => new TokenKeeper(storage, rotate, exclusive));
  const tokens = await Promise.all(tabs.map((tab) => tab.access()));
  expect(tokens).toEqual(['a1', 'a2']);
  expect(storage.value).toBe('r2');
});

test('a dead refresh token ends the session here', async () => {
  const storage = memory('stolen');
  const keeper = new TokenKeeper(storage, server('r0'), lock());
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
  expect(await new TokenKeeper(storage, rotate, lock()).access()).toBeNull();
  expect(storage.value).toBe('fresh');
});

test('a server that cannot be reached does not end the session', async () => {
  const storage = memory('r0');
  const rotate = vi.fn<() => Promise<Tokens | null>>().mockRejectedValueOnce(new Error('offline'));
  const keeper = new TokenKeeper(storage, rotate, lock());
  await expect(keeper.access()).rejects.toThrow('offline');
  expect(storage.value).toBe('r0');
  rotate.mockResolvedValueOnce({ access: 'a1', refresh: 'r1' });
  expect(await keeper.access()).toBe('a1');
});
