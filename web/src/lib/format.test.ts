import { expect, test } from 'vitest';
import {
  bitrate,
  bytes,
  clock,
  duration,
  frameRate,
  initials,
  number,
  percent,
  seconds,
  wait,
  milliseconds,
  spoken,
} from './format';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

test('numbers are grouped and use a comma', () => {
  expect(plain(number(1234567.84, 1))).toBe('1 234 567,8');
  expect(number(30, 2)).toBe('30');
});

test('shares are whole percents', () => {
  expect([0, 0.944, 1].map(percent).map(plain)).toEqual(['0 %', '94 %', '100 %']);
});

test('bytes grow from kilobytes to gigabytes', () => {
  expect(plain(bytes(0))).toBe('0 Ko');
  expect(plain(bytes(850_400))).toBe('850 Ko');
  expect(plain(bytes(1_340_000))).toBe('1,3 Mo');
  expect(plain(bytes(12_340_000))).toBe('12 Mo');
  expect(plain(bytes(1_340_000_000))).toBe('1,3 Go');
});

test('bit rates and frame rates read as encoders write them', () => {
  expect(plain(bitrate(128_000))).toBe('128 kbit/s');
  expect(plain(bitrate(2_634_000))).toBe('2,6 Mbit/s');
  expect(plain(frameRate(30_000 / 1001))).toBe('29,97 i/s');
});

test('a clock shows hours only when there are some, and never runs below zero', () => {
  expect(clock(-5000)).toBe('0:00');
  expect(clock(245_000)).toBe('4:05');
  expect(clock(3_723_900)).toBe('1:02:03');
});

test('durations and waits are told in words', () => {
  expect(duration(30_000)).toBe('moins d’une minute');
  expect(plain(duration(12 * 60_000))).toBe('12 min');
  expect(plain(duration(125 * 60_000))).toBe('2 h 05');
  expect(plain(wait(8))).toBe('8 s');
  expect(plain(wait(120))).toBe('2 min');
});

test('initials survive empty names and letters outside the basic plane', () => {
  expect(initials('Aïssatou', 'diallo')).toBe('AD');
  expect(initials(' ', '')).toBe('?');
  expect(initials('𞤀𞤣𞤤𞤢𞤥', '')).toHaveLength(2);
});

test('a time is said aloud in whole words', () => {
  expect(spoken(0)).toBe('0 seconde');
  expect(spoken(61_900)).toBe('1 minute 1 seconde');
  expect(spoken(7_385_000)).toBe('2 heures 3 minutes 5 secondes');
});

test('a duration of the API is read, and nothing else', () => {
  expect(milliseconds('00:00:12.033000')).toBe(12_033);
  expect(milliseconds('111:06:40')).toBe(400_000_000);
  for (const odd of [null, '', '12', '1:2:3', '00:00:12x']) expect(milliseconds(odd)).toBe(null);
});

test('a time is read as people write it, and nothing else', () => {
  const read = ['4:05', '1:02:03', '12', '7,5', ' 0:00.25 ', '90:00'].map(seconds);
  expect(read).toEqual([245, 3723, 12, 7.5, 0.25, 5400]);
  for (const odd of ['', ':', '1:', ':30', '1:2:3:4', '-1', 'midi', '1e3']) {
    expect(seconds(odd)).toBe(null);
  }
});
