import { expect, test } from 'vitest';
import { initial, next, type Happening, type State } from './machine';

const server = (status: 'created' | 'live' | 'interrupted' | 'ended'): Happening => ({
  type: 'server',
  status,
});
const playing: Happening = { type: 'playing' };
const dry: Happening = { type: 'dry' };
const missing: Happening = { type: 'playlist-missing' };

function after(...happenings: Happening[]): State {
  return happenings.reduce(next, initial);
}

test('a live that has not begun is waited for', () => {
  expect(after(server('created'), missing).phase).toBe('waiting');
});

test('pictures make it playing, whatever was said before', () => {
  expect(after(server('created'), playing)).toMatchObject({ phase: 'playing', server: 'live' });
  expect(after(playing, dry, server('interrupted'), playing).phase).toBe('playing');
});

test('a dry buffer on a running live is a stall', () => {
  expect(after(server('live'), playing, dry).phase).toBe('stalled');
});

test('an interruption is told only once the buffer is dry', () => {
  const buffered = after(server('live'), playing, server('interrupted'));
  expect(buffered.phase).toBe('playing');
  expect(next(buffered, dry).phase).toBe('interrupted');
});

test('a stall becomes an interruption when the server knows of one, and back', () => {
  const stalled = after(playing, dry);
  expect(next(stalled, server('interrupted')).phase).toBe('interrupted');
  expect(after(playing, dry, server('interrupted'), server('live')).phase).toBe('stalled');
});

test('a live that ends while it plays is played to its end', () => {
  const state = after(playing, server('ended'));
  expect(state.phase).toBe('playing');
  expect(next(state, { type: 'end-reached', status: 'ended' }).phase).toBe('ended');
  expect(next(state, dry).phase).toBe('ended');
});

test('an announced end is the end only when the server says so', () => {
  for (const status of ['live', 'interrupted', 'created', null] as const) {
    const state = after(server('live'), playing, { type: 'end-reached', status });
    expect(state).toMatchObject({ phase: 'interrupted', server: 'interrupted' });
    expect(next(state, playing).phase).toBe('playing');
    expect(next(state, server('ended')).phase).toBe('ended');
  }
});

test('a server that is away after an announced end leaves the live interrupted', () => {
  const state = after(playing, { type: 'end-reached', status: null });
  expect(next(state, missing).phase).toBe('interrupted');
  expect(next(state, { type: 'failed', cause: 'network' }).phase).toBe('interrupted');
});

test('a live that was watched and is gone has ended', () => {
  expect(after(playing, { type: 'unknown' }).phase).toBe('ended');
});

test('nothing but a retry leaves the end', () => {
  const ended = after(server('ended'));
  for (const happening of [playing, dry, missing, server('live')]) {
    expect(next(ended, happening).phase).toBe('ended');
  }
  expect(next(ended, { type: 'failed', cause: 'network' }).phase).toBe('ended');
});

test('a failure is explained by the server when it can be', () => {
  const failed: Happening = { type: 'failed', cause: 'network' };
  expect(after(failed)).toMatchObject({ phase: 'error', cause: 'network' });
  expect(after(playing, server('interrupted'), failed).phase).toBe('interrupted');
  expect(after(playing, server('ended'), failed).phase).toBe('ended');
  expect(after(failed, server('interrupted')).phase).toBe('interrupted');
});

test('an error stays until pictures come or somebody retries', () => {
  const failed = after({ type: 'failed', cause: 'media' });
  expect(next(failed, server('live')).phase).toBe('error');
  expect(next(failed, playing)).toMatchObject({ phase: 'playing', cause: null });
  expect(next(failed, { type: 'retry' })).toMatchObject({ phase: 'waiting', cause: null });
});

test('a live nobody knows is an error of its own', () => {
  expect(after({ type: 'unknown' })).toMatchObject({ phase: 'error', cause: 'unknown-live' });
});
