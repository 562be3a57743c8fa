// The session's tokens: the access token in memory, the refresh token in storage, rotation once at
// a time whatever the number of callers and of tabs. Nothing here is ever logged.

import { read, write } from '../storage';
import { TIMEOUT_MS } from './client';
import type { Tokens } from './types';

/** Runs `task` while no other tab runs one under the same name. */
export type Exclusive = <T>(task: () => Promise<T>) => Promise<T>;

export interface TokenStorage {
  get(): string | null;
  set(refresh: string | null): void;
}

/** Trades a refresh token for new tokens; null when the server says that it is dead. */
export type Rotate = (refresh: string) => Promise<Tokens | null>;

/** Ends the session of these tokens, as far as the network allows. */
export type Revoke = (tokens: Tokens) => Promise<void>;

export class TokenKeeper {
  #access: string | null = null;
  #rotation: Promise<string | null> | null = null;

  constructor(
    private readonly storage: TokenStorage,
    private readonly rotate: Rotate,
    private readonly exclusive: Exclusive,
    private readonly revoke: Revoke,
  ) {}

  get hasSession(): boolean {
    return this.#access !== null || this.storage.get() !== null;
  }

  /** The refresh token, for the one request that ends it. */
  get refreshToken(): string | null {
    return this.storage.get();
  }

  keep(tokens: Tokens): void {
    this.#access = tokens.access;
    this.storage.set(tokens.refresh);
  }

  forget(): void {
    this.#access = null;
    this.storage.set(null);
  }

  /** Drops what this tab holds in memory: another tab changed the session. */
  forgetAccess(): void {
    this.#access = null;
  }

  /**
   * An access token worth sending, or null when there is no session any more. `refused` is the one
   * the server has just turned down: it is never given back.
   *
   * Fails only when the server could not be asked; the session is then kept.
   */
  async access(refused: string | null = null): Promise<string | null> {
    if (this.#access !== null && this.#access !== refused) return this.#access;
    this.#rotation ??= this.#renew().finally(() => {
      this.#rotation = null;
    });
    return this.#rotation;
  }

  async #renew(): Promise<string | null> {
    // Read inside the lock: a tab that held it before may have left a newer token, and the server
    // ends the whole session when an old one comes back.
    return this.exclusive(async () => {
      const refresh = this.storage.get();
      if (refresh === null) {
        this.#access = null;
        return null;
      }
      const tokens = await this.rotate(refresh);
      if (tokens === null) {
        this.#access = null;
        // A sign-in that happened meanwhile in another tab is not ours to undo.
        if (this.storage.get() === refresh) this.storage.set(null);
        return null;
      }
      if (this.storage.get() !== refresh) {
        // Signed out meanwhile, or signed in as somebody else: these tokens are nobody's now.
        this.#access = null;
        void this.revoke(tokens).catch(() => {});
        return null;
      }
      this.keep(tokens);
      return tokens.access;
    });
  }
}

/** Longest a rotation may hold the fallback lock: past it, the tab that took it is gone. */
export const LEASE_MS = TIMEOUT_MS + 5000;
const LEASE_POLL_MS = 60;

/** Web Locks where the browser has them; they need HTTPS or localhost. Elsewhere a lease. */
export function exclusiveAcrossTabs(name: string): Exclusive {
  if (typeof navigator !== 'undefined' && navigator.locks) {
    return (task) => navigator.locks.request(name, task) as ReturnType<typeof task>;
  }
  return exclusiveByLease(name);
}

/**
 * A lease in storage, which is not airtight but leaves only the width of two writes. Each task has
 * its own, so that one that outlived it takes nothing from the next.
 */
export function exclusiveByLease(name: string): Exclusive {
  return async (task) => {
    const me = `${Math.random().toString(36).slice(2)} `;
    const isMine = () => read(name)?.startsWith(me) === true;
    for (;;) {
      if (isFree(read(name))) {
        write(name, me + (Date.now() + LEASE_MS));
        await delay(LEASE_POLL_MS / 2);
        if (isMine()) break;
      }
      await delay(LEASE_POLL_MS);
    }
    try {
      return await task();
    } finally {
      if (isMine()) write(name, null);
    }
  };
}

/** Nobody's, or run out; one that runs longer than any can was taken before the clock went back. */
function isFree(lease: string | null): boolean {
  const leftMs = Number(lease?.split(' ')[1]) - Date.now();
  return !(leftMs > 0 && leftMs <= LEASE_MS);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
