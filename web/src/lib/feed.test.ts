import { beforeEach, expect, test, vi } from 'vitest';
import type { Post } from './api/post-types';

const server = vi.hoisted(() => ({
  posts: [] as { id: number }[],
  fails: false,
  asked: 0,
  /** What happens while an answer is on its way. */
  meanwhile: () => {},
}));
const SIZE = 20;

vi.mock('./session.svelte', () => ({ session: { user: { id: 1, quartier: 2 }, api: {} } }));
vi.mock('./api/posts', () => ({
  list: async (_: unknown, page: number) => {
    server.asked += 1;
    if (server.fails) throw new Error('away');
    const results = server.posts.slice((page - 1) * SIZE, page * SIZE);
    const answer = { results, next: server.posts.length > page * SIZE ? 'more' : null, count: 0 };
    await Promise.resolve();
    server.meanwhile();
    return answer;
  },
}));

const { Feed, feedOf, published } = await import('./feed.svelte');

const numbered = (from: number, to: number) =>
  Array.from({ length: from - to + 1 }, (_, n) => ({ id: from - n }) as Post);
const ids = (feed: { posts: readonly Post[] | null }) => feed.posts?.map(({ id }) => id);
const feed = () => new Feed('', { type: null, search: '' }, null);
const { signal } = new AbortController();

beforeEach(() => {
  server.posts = numbered(45, 1);
  server.fails = false;
  server.asked = 0;
  server.meanwhile = () => {};
});

test('page after page all is listed once, whatever is written and deleted meanwhile', async () => {
  const it = feed();
  await it.load();
  server.posts = [...numbered(48, 46), ...server.posts];
  await it.more();
  it.remove(44);
  server.posts = server.posts.filter(({ id }) => id !== 44);
  while (it.hasMore) await it.more();
  expect(ids(it)).toEqual(numbered(45, 1).flatMap(({ id }) => (id === 44 ? [] : id)));
});

test('more posts than a page holds, written meanwhile, do not end the list', async () => {
  const it = feed();
  await it.load();
  server.posts = [...numbered(75, 46), ...server.posts];
  await it.more();
  expect(it.posts?.length).toBeGreaterThan(SIZE);
});

test('what was written since is told, and listed when it is asked for', async () => {
  const it = feed();
  await it.load();
  server.posts = [...numbered(47, 46), ...server.posts];
  await it.look(signal);
  expect(it.fresh).toHaveLength(2);
  expect(it.posts).toHaveLength(SIZE);
  await it.showFresh();
  expect(ids(it)?.slice(0, 3)).toEqual([47, 46, 45]);
  expect(it.fresh).toHaveLength(0);
});

test('more than a page that was written since leaves no hole: all is asked for anew', async () => {
  const it = feed();
  await it.load();
  server.posts = [...numbered(75, 46), ...server.posts];
  await it.look(signal);
  expect(it.fresh).toHaveLength(SIZE);
  await it.showFresh();
  expect(it.fresh).toHaveLength(0);
  while (it.hasMore) await it.more();
  expect(ids(it)).toEqual(numbered(75, 1).map(({ id }) => id));
});

test('the first posts of a list that had none come with all that follows them', async () => {
  server.posts = [];
  const it = feed();
  await it.load();
  server.posts = numbered(45, 1);
  await it.look(signal);
  await it.showFresh();
  while (it.hasMore) await it.more();
  expect(ids(it)).toHaveLength(45);
});

test('what others wrote before a post of his own is told, and stands below it', async () => {
  const it = feed();
  await it.load();
  it.add({ id: 48 } as Post);
  server.posts = [...numbered(48, 46), ...server.posts];
  await it.look(signal);
  expect(it.fresh.map(({ id }) => id)).toEqual([47, 46]);
  it.add({ id: 49 } as Post);
  await it.showFresh();
  expect(ids(it)?.slice(0, 5)).toEqual([49, 48, 47, 46, 45]);

  // However many they are: his own does not make the page a known one.
  it.add({ id: 80 } as Post);
  server.posts = [...numbered(80, 49), ...server.posts.slice(1)];
  await it.look(signal);
  await it.showFresh();
  while (it.hasMore) await it.more();
  expect(new Set(ids(it))).toEqual(new Set(server.posts.map(({ id }) => id)));
});

test('an answer that does not know what was done meanwhile is not believed', async () => {
  const it = feed();
  await it.load();
  const likedAs = (id: number) => it.posts?.find((post) => post.id === id)?.is_liked_by_user;
  server.meanwhile = () => {
    server.meanwhile = () => {};
    it.put({ id: 45, is_liked_by_user: true } as Post);
    it.remove(44);
  };
  await it.look(signal);
  expect(likedAs(45)).toBe(true);
  expect(ids(it)?.slice(0, 2)).toEqual([45, 43]);

  server.posts = server.posts.filter(({ id }) => id !== 44);
  server.meanwhile = () => {
    server.meanwhile = () => {};
    server.posts = [{ id: 46 }, ...server.posts];
    it.add({ id: 46 } as Post);
  };
  await it.load();
  expect(ids(it)?.slice(0, 3)).toEqual([46, 45, 43]);
});

test('a page that does not come says so, and is asked for again', async () => {
  const it = feed();
  await it.load();
  server.fails = true;
  await it.more();
  expect(it.trouble).not.toBeNull();
  expect(it.isBusy).toBe(false);
  server.fails = false;
  await it.more();
  expect(it.trouble).toBeNull();
  expect(it.posts).toHaveLength(2 * SIZE);
});

test('nothing is asked for twice at once', async () => {
  const it = feed();
  await it.load();
  const before = server.asked;
  await Promise.all([it.more(), it.more(), it.look(signal)]);
  expect(server.asked).toBe(before + 1);
});

test('who comes back finds the lists as he left them, with what he has written where it belongs', async () => {
  const [wanted, events] = [
    { type: null, search: '' },
    { type: 'event', search: '' },
  ] as const;
  const lists = [
    feedOf(wanted),
    feedOf(events),
    feedOf(wanted, 7),
    feedOf({ ...wanted, search: 'riz' }),
  ];
  for (const it of lists) await it.load();
  published({ id: 46, post_type: 'info' } as Post);
  expect(feedOf({ ...wanted })).toBe(lists[0]);
  expect(feedOf(wanted, 7)).toBe(lists[2]);
  expect(lists.map((it) => ids(it)?.[0])).toEqual([46, 45, 45, 45]);
  // The one that was read longest ago makes room.
  feedOf(wanted, 8);
  expect(feedOf(events)).not.toBe(lists[1]);
});
