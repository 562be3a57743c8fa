import { expect, test } from 'vitest';
import { mediaUrl, nameFromInput, nameOfPlaylist, reachable } from './urls';

test('a loopback address is replaced by the host the page came from', () => {
  expect(reachable('rtmp://localhost/live', '192.168.1.20')).toBe('rtmp://192.168.1.20/live');
  expect(reachable('rtmp://127.0.0.1:1935/live/k', 'cc.gn')).toBe('rtmp://cc.gn:1935/live/k');
});

test('an address that was configured is left alone', () => {
  expect(reachable('rtmp://media.cc.gn/live', '192.168.1.20')).toBe('rtmp://media.cc.gn/live');
  expect(reachable('rtmp://localhost.cc.gn/live', 'cc.gn')).toBe('rtmp://localhost.cc.gn/live');
  expect(reachable('rtmp://localhost/live', 'localhost')).toBe('rtmp://localhost/live');
});

test('media of a loopback server are asked of the page’s own origin', () => {
  expect(mediaUrl('http://localhost:8080/hls/a.m3u8', 'https://cc.gn')).toBe(
    'https://cc.gn/hls/a.m3u8',
  );
  expect(mediaUrl('https://cdn.cc.gn/hls/a.m3u8', 'https://cc.gn')).toBe(
    'https://cdn.cc.gn/hls/a.m3u8',
  );
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
