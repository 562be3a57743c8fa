// The live of the signed-in user: found again after a reload, started, followed, ended.

import { asApiError } from './api/errors';
import type { Audience, OwnLive, StartedLive } from './api/types';
import { ownOpenLive } from './lives';
import { poll } from './poller';
import { session } from './session.svelte';

/** Pages of lives searched for one's own: far more than a commune broadcasts at once. */
const PAGES_MAX = 5;
/** One missed answer is a hiccup; two are worth telling. */
const FAILURES_TOLD = 2;

export class OwnLiveHandle {
  /** `null` while looking. */
  id = $state<number | 'none' | null>(null);
  /** Carries the stream key, which the server never repeats. Never stored. */
  started = $state.raw<StartedLive | null>(null);
  live = $state.raw<OwnLive | null>(null);
  /** The server refused a second live: this is the first one. */
  wasOpen = $state(false);
  lost = $state(false);
  trouble = $state<string | null>(null);

  async find(): Promise<void> {
    this.trouble = null;
    this.id = null;
    try {
      this.id = (await this.#search()) ?? 'none';
    } catch (error) {
      this.trouble = asApiError(error).message;
    }
  }

  /** Starts a live. Where one is open already, shows that one instead. */
  async start(title: string, description: string, audience: Audience): Promise<void> {
    try {
      const started = await session.api.startLive(title, description, audience);
      this.live = null;
      this.started = started;
      this.wasOpen = false;
      this.id = started.live_id;
    } catch (error) {
      const { status, body } = asApiError(error).details;
      if (status !== 409) throw error;
      const named = (body as { live_id?: unknown } | null)?.live_id;
      const open = typeof named === 'number' ? named : await this.#search();
      if (open === null) throw error;
      this.wasOpen = true;
      this.id = open;
    }
  }

  /** Ends this live. One that is over already counts as ended. */
  async stop(): Promise<void> {
    if (typeof this.id !== 'number') return;
    try {
      await session.api.stopLive(this.id);
    } catch (error) {
      if (asApiError(error).status !== 404) throw error;
    }
    if (this.live) {
      const ended_at = this.live.ended_at ?? new Date(session.api.now()).toISOString();
      this.live = { ...this.live, status: 'ended', incoming: null, ended_at };
    }
  }

  /** Follows the incoming media of this live until it ends; returns how to stop following. */
  follow(id: number): () => void {
    let failures = 0;
    const stop = poll({ visibleMs: 2000, hiddenMs: 15_000, maxMs: 30_000 }, async (signal) => {
      try {
        const live = await session.api.ownLive(id, signal);
        if (signal.aborted) return;
        failures = 0;
        this.lost = false;
        // An answer that was under way while the live was being ended.
        if (this.live?.status === 'ended' && live.status !== 'ended') return;
        this.live = live;
        if (live.status === 'ended') stop();
      } catch (error) {
        if (signal.aborted) return;
        const { status } = asApiError(error);
        if (status === 404 || status === 403) {
          stop();
          this.reset();
        }
        failures += 1;
        this.lost = failures >= FAILURES_TOLD;
        throw error;
      }
    });
    return stop;
  }

  /** Back to the form. */
  reset(): void {
    this.id = 'none';
    this.started = null;
    this.live = null;
    this.wasOpen = false;
    this.lost = false;
  }

  async #search(): Promise<number | null> {
    const me = session.user?.id;
    if (me === undefined) return null;
    for (let page = 1; page <= PAGES_MAX; page += 1) {
      const { results, next } = await session.api.livePosts(page);
      const mine = ownOpenLive(results, me);
      if (mine !== null) return mine;
      if (next === null) break;
    }
    return null;
  }
}
