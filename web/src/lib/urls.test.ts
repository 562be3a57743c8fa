import { expect, test } from 'vitest';
import { mediaPlaylistPath, nameFromInput, nameOfPlaylist, playlistPath, reachable } from './urls';

test('a loopback address is replaced by the host the page came from', () => {
  expect(reachable('rtmp://localhost/live', '192.168.1.20')).toBe('rtmp://192.168.1.20/live');
  expect(reachable('rtmp://127.0.0.1:1935/live/k', 'cc.gn')).toBe('rtmp://cc.gn:1935/live/k');
});

test('an address that was configured is left alone', () => {
  expect(reachable('rtmp://media.cc.gn/live', '192.168.1.20')).toBe('rtmp://media.cc.gn/live');
  expect(reachable('rtmp://localhost.cc.gn/live', 'cc.gn')).toBe('rtmp://localhost.cc.gn/live');
  expect(reachable('rtmp://localhost/live', 'localhost')).toBe('rtmp://localhost/live');
});

test('media are asked of the page’s own origin', () => {
  expect(playlistPath('k7m2')).toBe('/hls/k7m2.m3u8');
});

test('the media playlist is found in the multivariant one', () => {
  const text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nk7m2/e5f6/source.m3u8\n';
  expect(mediaPlaylistPath(text, 'https://cc.gn/hls/k7m2.m3u8')).toBe('/hls/k7m2/e5f6/source.m3u8');
  expect(mediaPlaylistPath('', 'https://cc.gn/hls/k7m2.m3u8')).toBeNull();
});

test('the name of a live is read from its playlist, in either container', () => {
  expect(nameOfPlaylist('http://h/hls/k7m2.m3u8')).toBe('k7m2');
  expect(nameOfPlaylist('http://h/hls/k7m2-ts.m3u8')).toBe('k7m2');
  expect(nameOfPlaylist(null)).toBeNull();
});

test('a live opens by its name, its page or its playlist', () => {
  expect(nameFromInput('  K7M2 ')).toBe('k7m2');
  expect(nameFromInput('https://cc.gn/live/k7m2?x=1')).toBe('k7m2');
  expect(nameFromInput('https://cc.gn/hls/k7m2.m3u8')).toBe('k7m2');
});

test('what is no name opens nothing', () => {
  for (const input of ['', 'une réunion', 'https://cc.gn/', '../etc', 'a'.repeat(65)]) {
    expect(nameFromInput(input)).toBeNull();
  }
});
