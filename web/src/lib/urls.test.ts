import { expect, test } from 'vitest';
import {
  listedRun,
  nameFromInput,
  nameOfPlaylist,
  nameOfRecording,
  playlistPath,
  inSession,
  reachable,
  rewindPath,
  runOf,
  thumbnailsPath,
} from './urls';

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

test('a ticket goes with the playlist it was given for', () => {
  expect(playlistPath('k7m2', 'https://cc.gn/hls/k7m2.m3u8?ticket=10ab')).toBe(
    '/hls/k7m2.m3u8?ticket=10ab',
  );
  expect(playlistPath('k7m2', 'https://cc.gn/hls/k7m2.m3u8')).toBe('/hls/k7m2.m3u8');
});

test('a ticket is a folder before thumbnails', () => {
  const recording = 'https://cc.gn/vod/k7m2/index.m3u8';
  expect(thumbnailsPath('k7m2', `${recording}?ticket=10ab`)).toBe('/vod/k7m2/10ab/thumbnails.vtt');
  expect(thumbnailsPath('k7m2', recording)).toBe('/vod/k7m2/thumbnails.vtt');
});

test('a run is known by its media playlist, whoever watches', () => {
  const text = (uri: string) => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${uri}\n`;
  const run = (uri: string) => listedRun(text(uri), 'https://cc.gn/hls/k7m2.m3u8?ticket=10ab');
  const same = '/hls/k7m2/e5f6/source.m3u8';
  expect(run('k7m2/e5f6/source.m3u8')).toBe(same);
  expect(run('k7m2/e5f6/source.m3u8?session=0a1b')).toBe(same);
  expect(run(`k7m2/e5f6/${'0a'.repeat(21)}/source.m3u8?session=0a1b`)).toBe(same);
  expect(listedRun('', 'https://cc.gn/hls/k7m2.m3u8')).toBeNull();
});

test('the name of a live is read from its playlist, in either container', () => {
  expect(nameOfPlaylist('http://h/hls/k7m2.m3u8')).toBe('k7m2');
  expect(nameOfPlaylist('http://h/hls/k7m2-ts.m3u8')).toBe('k7m2');
  expect(nameOfPlaylist(null)).toBeNull();
});

test('the name of a live is read from its recording, with a ticket or without', () => {
  expect(nameOfRecording('http://h/vod/k7m2/index.m3u8')).toBe('k7m2');
  expect(nameOfRecording('http://h/vod/k7m2/index.m3u8?ticket=10ab')).toBe('k7m2');
  expect(nameOfRecording('http://h/media/0fe1.mp4')).toBeNull();
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

test('who goes back says from when, and stays the same viewer', () => {
  const path = rewindPath(
    'k7m2',
    'http://h/hls/k7m2-rewind.m3u8?ticket=10ab',
    1764280800123.4,
    false,
  );
  expect(path).toBe('/hls/k7m2-rewind.m3u8?from=1764280800123&ticket=10ab');
  expect(rewindPath('k7m2', null, 5, true)).toBe('/hls/k7m2-audio-rewind.m3u8?from=5');
  expect(inSession(path, 'k7m2/e9/source.m3u8?session=0f')).toBe(`${path}&session=0f`);
  expect(inSession('/hls/k7m2.m3u8', '/x.m3u8?a&session=0f')).toBe('/hls/k7m2.m3u8?session=0f');
  expect(inSession('/hls/k7m2.m3u8', undefined)).toBe('/hls/k7m2.m3u8');
});

test('what one goes back to is of the same run of the server', () => {
  const run = (file: string) =>
    runOf(`/hls/k7m2/e9/${'0a'.repeat(21)}/${file}?session=0f`, 'http://h/');
  expect(run('source-rewind.m3u8')).toBe(run('source.m3u8'));
});
