import { expect, test } from 'vitest';
import { at, parse, since } from './thumbnails';

const VTT = `WEBVTT

00:00:00.000 --> 00:00:10.000
thumbnails/1-2-0badcafe.jpg#xywh=0,0,160,90

00:00:10.000 --> 01:00:00.500
thumbnails/1-2-0badcafe.jpg#xywh=160,0,160,90

nonsense --> here
thumbnails/3-1-0badcafe.jpg#xywh=0,0,160,90

01:00:00.500 --> 01:00:04.000
thumbnails/4-1-0badcafe.jpg#xywh=0,0,90,160
`;

test('a list of thumbnails is read, less what cannot be', () => {
  const list = parse(VTT, 'https://h/vod/n/10ab/thumbnails.vtt');
  expect(list.map(({ from, to }) => [from, to])).toEqual([
    [0, 10],
    [10, 3600.5],
    [3600.5, 3604],
  ]);
  expect(list[1]).toMatchObject({
    url: 'https://h/vod/n/10ab/thumbnails/1-2-0badcafe.jpg',
    x: 160,
    y: 0,
    width: 160,
    height: 90,
  });
});

test('the thumbnail of a time is the last that began', () => {
  const list = parse(VTT, 'https://h/vod/n/thumbnails.vtt');
  expect(at(list, 0)?.x).toBe(0);
  expect(at(list, 9.99)?.x).toBe(0);
  expect(at(list, 10)?.x).toBe(160);
  expect(at(list, 99_999)?.height).toBe(160);
  expect(at(list, -1)).toBe(null);
  expect(at([], 5)).toBe(null);
});

test('those of a live stand where they were live', () => {
  const list = parse(
    VTT.replace(/thumbnails.1-2/g, 'thumbnails/1764280810000-2'),
    'https://h/hls/n/thumbnails.vtt',
  );
  const since1 = since(list, 1764280800000);
  expect(since1.map(({ from, to }) => [from, to])).toEqual([
    [10, 20],
    [20, 3610.5],
    [3610.5, 3614],
  ]);
  expect(since([], 0)).toEqual([]);
  expect(since(parse(VTT, 'https://h/'), 0)[0]?.from).toBe(0.001);
});
