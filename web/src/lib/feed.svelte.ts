// A list of posts as its reader goes through it: page after page, and what came meanwhile.

import { asApiError } from './api/errors';
import type { Post, Wanted } from './api/post-types';
import { list } from './api/posts';
import { joined, nextPage } from './pages';
import { downToListed, refreshed } from './posts';
import { session } from './session.svelte';

/** How long a list is shown again as it was, to who comes back to it. */
const KEPT_MS = 10 * 60_000;
/** How many lists: the feed, a filter of it, a member, and once more. */
const KEPT = 4;
/** Pages asked for in a row, when all of a page was listed already. */
const PAGES_AT_ONCE = 3;

export class Feed {
  posts = $state.raw<Post[] | null>(null);
  hasMore = $state(false);
  isBusy = $state(false);
  trouble = $state<string | null>(null);
  /** Posts that were written since, and are not listed. */
  fresh = $state.raw<Post[]>([]);
  /** Where its reader was. */
  scrollY = 0;
  readAt = 0;
  #size = 1;
  /** Of several first pages the one asked for last is believed. */
  #asked = 0;
  /** Grows with all that is done here: what was asked for before does not know of it. */
  #changes = 0;
  /** Posts of this member that were put in front, whatever was written meanwhile. */
  #added = new Set<number>();
  /** The order of what is fresh and of what it stands among; null where there is more of it than a page. */
  #order: number[] | null = [];

  constructor(
    readonly key: string,
    private readonly wanted: Wanted,
    /** Whose posts; of the whole commune where it is null. */
    private readonly of: number | null,
  ) {}

  /** From the beginning. */
  async load(): Promise<void> {
    const asked = (this.#asked += 1);
    this.isBusy = true;
    this.trouble = null;
    try {
      const changes = this.#changes;
      const { results, next } = await list(this.wanted, 1, this.of);
      if (asked !== this.#asked) return;
      if (changes !== this.#changes) return await this.load();
      this.posts = results;
      this.fresh = [];
      this.#added.clear();
      this.hasMore = next !== null;
      this.#size = Math.max(1, results.length);
      this.readAt = Date.now();
    } catch (error) {
      if (asked === this.#asked) this.trouble = asApiError(error).message;
    }
    if (asked === this.#asked) this.isBusy = false;
  }

  /** What follows. */
  async more(): Promise<void> {
    if (this.isBusy || !this.hasMore) return;
    const asked = this.#asked;
    this.isBusy = true;
    this.trouble = null;
    try {
      const before = this.posts ?? [];
      const first = nextPage(before.length, this.#size);
      for (let page = first; page < first + PAGES_AT_ONCE; page += 1) {
        const { results, next } = await list(this.wanted, page, this.of);
        if (asked !== this.#asked) return;
        this.posts = joined(this.posts ?? [], results);
        this.hasMore = next !== null;
        if (!this.hasMore || this.posts.length > before.length) break;
      }
    } catch (error) {
      if (asked !== this.#asked) return;
      const { status, message } = asApiError(error);
      // A page past the end: posts have gone meanwhile.
      if (status === 404) this.hasMore = false;
      else this.trouble = message;
    }
    this.isBusy = false;
  }

  /** Sees what was written since, and how those listed do. */
  async look(signal: AbortSignal): Promise<void> {
    if (this.isBusy || this.posts === null) return;
    const [asked, changes] = [this.#asked, this.#changes];
    const { results, next } = await list(this.wanted, 1, this.of, signal);
    if (asked !== this.#asked || changes !== this.#changes || this.posts === null) return;
    const before = this.posts.filter(({ id }) => !this.#added.has(id));
    const head = downToListed(before, results) ?? (next === null ? results : null);
    const known = new Set(this.posts.map(({ id }) => id));
    this.fresh = (head ?? results).filter(({ id }) => !known.has(id));
    this.#order = head?.map(({ id }) => id) ?? null;
    const now = new Map(results.map((post) => [post.id, post]));
    this.posts = this.posts.map((post) => now.get(post.id) ?? post);
  }

  /** Lists what was written since; from the beginning where that is more than was told. */
  async showFresh(): Promise<void> {
    if (this.#order === null) return this.load();
    const posts = this.posts ?? [];
    const all = new Map([...posts, ...this.fresh].map((post) => [post.id, post]));
    this.posts = refreshed(
      posts,
      this.#order.flatMap((id) => all.get(id) ?? []),
    );
    this.fresh = [];
    this.#added.clear();
  }

  /** A post as it is now. */
  put(post: Post): void {
    this.#changes += 1;
    this.posts = this.posts?.map((it) => (it.id === post.id ? post : it)) ?? null;
    this.fresh = this.fresh.map((it) => (it.id === post.id ? post : it));
  }

  /** A post of this member, just written: where all posts are listed, or all of his. */
  add(post: Post): void {
    const { type, search } = this.wanted;
    const isListed = (type === null || type === post.post_type) && !search;
    const isHis = this.of === null || this.of === session.user?.id;
    if (!isListed || !isHis) return;
    this.#changes += 1;
    if (!this.posts) return;
    this.posts = refreshed(this.posts, [post]);
    this.#added.add(post.id);
    this.#order?.unshift(post.id);
  }

  remove(id: number): void {
    this.#changes += 1;
    this.posts = this.posts?.filter((post) => post.id !== id) ?? null;
    this.fresh = this.fresh.filter((post) => post.id !== id);
  }
}

/** The lists that were read last, the newest first. */
let kept: Feed[] = [];

/** The list that is asked for: as it was left, if that is not long ago. */
export function feedOf(wanted: Wanted, of: number | null = null): Feed {
  const key = JSON.stringify([session.user?.id, session.user?.quartier, of, wanted]);
  // One that has not come yet is not old.
  const fresh = kept.filter(({ readAt }) => readAt === 0 || Date.now() - readAt < KEPT_MS);
  const found = fresh.find((feed) => feed.key === key) ?? new Feed(key, wanted, of);
  kept = [found, ...fresh.filter((feed) => feed !== found)].slice(0, KEPT);
  return found;
}

/** Puts a post that was just written where its author finds it. */
export const published = (post: Post): void => kept.forEach((feed) => feed.add(post));
/** Keeps what was done on the page of a post. */
export const changed = (post: Post): void => kept.forEach((feed) => feed.put(post));
export const gone = (id: number): void => kept.forEach((feed) => feed.remove(id));
