import { expect, test } from 'vitest';
import type { LivePost, LiveStatus } from './api/types';
import { openLives, ownOpenLive } from './lives';

function post(
  id: number,
  status: LiveStatus,
  author = 1,
  name: string | null = `n${id}`,
): LivePost {
  return {
    id,
    author: { id: author, first_name: '', last_name: '', profile_picture: null, location_info: '' },
    title: '',
    content: `contenu ${id}`,
    created_at: '',
    is_live_post: true,
    live: { status, started_at: null, hls_url: name && `http://h/hls/${name}.m3u8` },
  };
}

test('lives on air come first, ended ones not at all', () => {
  const list = openLives([post(1, 'created'), post(2, 'ended'), post(3, 'live')]);
  expect(list.map((live) => [live.id, live.name])).toEqual([
    [3, 'n3'],
    [1, 'n1'],
  ]);
});

test('a post without a playlist cannot be opened', () => {
  expect(openLives([post(1, 'live', 1, null)])).toEqual([]);
});

test('one’s own live is found among those of others', () => {
  const posts = [post(1, 'live', 2), post(2, 'ended', 7), post(3, 'interrupted', 7)];
  expect(ownOpenLive(posts, 7)).toBe(3);
  expect(ownOpenLive(posts, 8)).toBeNull();
});

test('a live for a quartier is listed as such, and opens by its name', () => {
  const reserved = post(1, 'live');
  reserved.live = { ...reserved.live!, audience: 'quartier', hls_url: null, playback_name: 'n1' };
  expect(openLives([reserved])).toMatchObject([{ name: 'n1', reserved: true }]);
  expect(openLives([post(2, 'live')])[0]?.reserved).toBe(false);
});
