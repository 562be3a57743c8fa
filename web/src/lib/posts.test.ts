import { expect, test } from 'vitest';
import type { Comment, Post } from './api/post-types';
import {
  bringsEarlier,
  colourOf,
  countOf,
  downToListed,
  earlierPage,
  feedPath,
  isEditable,
  liveOf,
  ratioOf,
  refreshed,
  shownMedia,
  thread,
  wantedOf,
  withComment,
  withComments,
  withoutComment,
} from './posts';

const rows = (...ids: number[]) => ids.map((id) => ({ id }));

test('what the feed is asked for stands in its address, and comes back out of it', () => {
  for (const [path, type, search] of [
    ['/', null, ''],
    ['/?type=event', 'event', ''],
    ['/?type=live&q=%C3%A9cole+de+Kip%C3%A9', 'live', 'école de Kipé'],
  ] as const) {
    expect(feedPath({ type, search })).toBe(path);
    expect(wantedOf(path.slice(1))).toEqual({ type, search });
  }
  expect(wantedOf('?type=advert&q=%20')).toEqual({ type: null, search: '' });
});

test('what was written since comes first, and nothing is listed twice', () => {
  const list = [
    { id: 3, likes: 0 },
    { id: 2, likes: 0 },
  ];
  const first = [
    { id: 4, likes: 0 },
    { id: 3, likes: 5 },
  ];
  expect(refreshed(list, first)).toEqual([first[0], first[1], list[1]]);
  expect(downToListed(list, first)).toEqual(first);
  expect(downToListed(rows(5, 2), rows(5, 4, 3, 2, 1))).toEqual(rows(5, 4, 3, 2));
  expect(downToListed(rows(2, 1), rows(9, 8))).toBeNull();
  expect(downToListed([], [])).toBeNull();
});

test('a post is changed for half an hour', () => {
  const post = { created_at: '2026-03-01T12:00:00Z' } as Post;
  const at = Date.parse(post.created_at);
  expect(isEditable(post, at + 29 * 60_000)).toBe(true);
  expect(isEditable(post, at + 30 * 60_000)).toBe(false);
});

const BASE = { live: null, live_stream: null, media_files: [], title: '' } as unknown as Post;
const RECORDED = {
  media_type: 'live',
  file: 'http://h/vod/abc/index.m3u8',
  duration: '00:01:02',
  thumbnail_url: 'http://h/vod/abc/poster.jpg',
};

test('a live is watched while it is on, and its recording afterwards', () => {
  expect(liveOf(BASE)).toBeNull();
  const live = {
    status: 'live',
    playback_name: 'abc',
    title: 'Marché',
    viewers_count: 3,
    thumbnail_url: 'http://h/hls/abc/poster.jpg',
  };
  expect(liveOf({ ...BASE, live } as unknown as Post)).toMatchObject({
    name: 'abc',
    status: 'live',
    poster: '/hls/abc/poster.jpg',
    viewers: 3,
    lastsMs: null,
  });
  const over = { ...live, status: 'ended', thumbnail_url: null };
  const post = { ...BASE, live: over, live_stream: RECORDED } as unknown as Post;
  expect(liveOf(post)).toMatchObject({
    poster: '/vod/abc/poster.jpg',
    viewers: null,
    lastsMs: 62_000,
  });
  // A video that a browser made of it is a video of the post.
  const video = { ...RECORDED, media_type: 'video' };
  const brought = { ...BASE, live: over, live_stream: video, media_files: [RECORDED, video] };
  expect(liveOf(brought as unknown as Post)?.lastsMs).toBeNull();
  expect(shownMedia(brought as unknown as Post)).toEqual([video]);
});

test('a colour stands in for a picture', () => {
  expect(colourOf('LEHV6nWB2yk8pyo0adR*.7kCMdnj')).toMatch(/^#[0-9a-f]{6}$/);
  // The four digits after the second are 24 bits, in base 83.
  expect(colourOf('0000000')).toBe('#000000');
  expect(colourOf('00TI:j0')).toBe('#ff0000');
  for (const odd of [null, '', 'L', '00"~~~', '00~~~~']) expect(colourOf(odd)).toBeNull();
});

test('a picture keeps its shape, within what a screen bears', () => {
  expect(ratioOf(1600, 1200)).toBeCloseTo(4 / 3);
  expect(ratioOf(500, 3000)).toBe(0.8);
  expect(ratioOf(9000, 500)).toBe(2);
  expect(ratioOf(null, 3)).toBeCloseTo(4 / 3);
});

const comment = (id: number, parent: number | null, replies: Comment[] = []): Comment =>
  ({ id, parent_comment: parent, replies }) as unknown as Comment;
const TREE = [comment(1, null, [comment(3, 1, [comment(5, 3)]), comment(4, 1)]), comment(2, null)];

test('a reply stands below what it answers, however deep', () => {
  const added = withComment(TREE, comment(6, 5));
  expect(countOf(added)).toBe(6);
  expect(thread(added[0] as Comment).map(({ reply, to }) => [reply.id, to.id])).toEqual([
    [3, 1],
    [4, 1],
    [5, 3],
    [6, 5],
  ]);
  expect(withComment(TREE, comment(7, null)).map(({ id }) => id)).toEqual([1, 2, 7]);
  expect(countOf(TREE)).toBe(5);
});

test('a comment goes with what answers it', () => {
  const [left, gone] = withoutComment(TREE, 3);
  expect(gone).toBe(2);
  expect(countOf(left)).toBe(3);
  expect(withoutComment(TREE, 1)[1]).toBe(4);
  expect(withoutComment(TREE, 99)).toEqual([TREE, 0]);
});

test('earlier comments come before those shown, each once', () => {
  const shown = [comment(31, null), comment(32, null)];
  const page = [comment(29, null), comment(30, null), comment(31, null)];
  expect(withComments(shown, page).map(({ id }) => id)).toEqual([29, 30, 31, 32]);
  expect(bringsEarlier(shown, page)).toBe(true);
  expect(bringsEarlier(shown, [comment(31, null), comment(40, null)])).toBe(false);
  expect(bringsEarlier([], page)).toBe(true);
  // 45 comments by twenty, of which the last ten are shown: the one before is on the second page.
  expect(earlierPage(45, 10, 20)).toBe(2);
  expect(earlierPage(45, 25, 20)).toBe(1);
  expect(earlierPage(45, 45, 20)).toBe(1);
});
