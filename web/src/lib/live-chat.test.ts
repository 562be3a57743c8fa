import { expect, test } from 'vitest';
import {
  afterAll,
  EMPTY,
  isOwn,
  KEPT,
  mayWriteAtMs,
  tallies,
  type LiveChat,
  type RealTimeEvent,
} from './live-chat';

const said = (id: number): RealTimeEvent => ({
  type: 'chat.message',
  message: {
    id,
    type: 'text',
    content: `n° ${id}`,
    timestamp: '2025-07-23T11:05:00.000000Z',
    author: { id: 1, first_name: 'Binta', last_name: 'Diallo', profile_picture: null },
  },
});
const put = (
  id: number,
  content: string,
  to: number | undefined,
  by: number | null,
): RealTimeEvent => ({
  type: 'chat.message',
  message: {
    id,
    type: 'reaction',
    content,
    timestamp: '2025-07-23T11:05:01.000000Z',
    author: { id: by, first_name: 'Ibrahima', last_name: 'Sow', profile_picture: null },
    ...(to === undefined ? {} : { reply_to: to }),
  },
});
const tallied = (chat: LiveChat) => Object.fromEntries(tallies(chat));
const ids = (events: RealTimeEvent[]) => afterAll(EMPTY, events).messages.map(({ id }) => id);

const joined: RealTimeEvent = {
  type: 'live.joined',
  live_id: 395,
  status: 'live',
  viewers_count: 3,
  slow_mode_s: 10,
  can_read: true,
  can_write: true,
  can_moderate: false,
};

test('what comes twice is shown once, and what was taken away no more', () => {
  expect(ids([said(1), said(2), said(2), said(1), said(3)])).toEqual([1, 2, 3]);
  expect(ids([said(1), said(2), { type: 'chat.deleted', id: 1 }])).toEqual([2]);
});

test('the oldest messages give way', () => {
  const many = ids(Array.from({ length: KEPT + 5 }, (_, n) => said(n + 1)));
  expect([many.length, many[0]]).toEqual([KEPT, 6]);
});

test('who comes back asks for what follows the last that was heard', () => {
  expect(EMPTY.newest).toBeNull();
  const chat = afterAll(EMPTY, [said(4), said(7), put(9, '❤️', 7, 2)]);
  expect(chat.newest).toBe(9);
  // Also when that was taken away since.
  expect(afterAll(chat, [{ type: 'chat.deleted', id: 9 }]).newest).toBe(9);
});

test('what is put to a message is counted there, once for each member', () => {
  const me = afterAll(EMPTY, [{ type: 'session', user_id: 30 }]);
  const chat = afterAll(me, [
    said(1),
    said(2),
    put(3, '❤️', 1, 31),
    put(4, '❤️', 1, 31),
    put(5, '❤️', 1, 30),
    put(6, '👏', 1, 32),
    put(7, '❤️', 99, 31),
  ]);
  expect(chat.messages.map(({ id }) => id)).toEqual([1, 2]);
  expect(tallied(chat)).toEqual({
    1: [
      { content: '❤️', count: 2, own: 5 },
      { content: '👏', count: 1, own: null },
    ],
  });
  const back = afterAll(chat, [{ type: 'chat.deleted', id: 5 }]);
  expect(tallied(back)[1]?.[0]).toEqual({ content: '❤️', count: 1, own: null });
  expect(tallied(afterAll(chat, [{ type: 'chat.deleted', id: 1 }]))).toEqual({});
});

test('who is nobody to others knows his own by what he said', () => {
  const chat = afterAll({ ...EMPTY, userId: 30 }, [
    put(1, 'Bonjour', undefined, null),
    put(2, 'Bonsoir', undefined, null),
    put(3, '❤️', 1, null),
    { type: 'chat.said', ref: 'm1', id: 2 },
    { type: 'chat.said', ref: 'm2', id: 3 },
  ]);
  expect(chat.messages.map((message) => isOwn(chat, message))).toEqual([false, true]);
  expect(tallied(chat)).toEqual({ 1: [{ content: '❤️', count: 1, own: 3 }] });
  // Nobody is not who has not signed in.
  const stranger = afterAll(EMPTY, [put(1, 'Bonjour', undefined, null)]);
  expect(stranger.messages.map((message) => isOwn(stranger, message))).toEqual([false]);
});

test('a reaction to nothing in particular is said as any message', () => {
  const chat = afterAll(EMPTY, [put(1, '🎉', undefined, 31)]);
  expect(chat.messages.map(({ content }) => content)).toEqual(['🎉']);
});

test('however many react, no message gives way', () => {
  const many = Array.from({ length: 3000 }, (_, n) => put(n + 2, '❤️', 1, n));
  const chat = afterAll(EMPTY, [said(1), ...many]);
  expect(chat.messages.map(({ id }) => id)).toEqual([1]);
  expect(chat.reactions).toHaveLength(1000);
});

test('joining says who may write, and what happens changes it', () => {
  const chat = afterAll(EMPTY, [{ type: 'session', user_id: 30 }, joined]);
  expect(chat).toMatchObject({ liveId: 395, viewers: 3, slowSeconds: 10, canWrite: true });
  const other = afterAll(chat, [{ type: 'chat.banned', user_id: 31 }]);
  expect([other.canWrite, other.banned]).toEqual([true, [31]]);
  expect(afterAll(other, [{ type: 'chat.unbanned', user_id: 31 }]).banned).toEqual([]);
  const banned = afterAll(chat, [{ type: 'chat.banned', user_id: 30 }]);
  expect(banned.canWrite).toBe(false);
  expect(afterAll(banned, [{ type: 'chat.unbanned', user_id: 30 }]).canWrite).toBe(true);
  const over = afterAll(chat, [{ type: 'live.state', status: 'ended' }]);
  expect(over).toMatchObject({ status: 'ended', canWrite: false });
  expect(afterAll(over, [{ type: 'chat.unbanned', user_id: 30 }]).canWrite).toBe(false);
});

test('who is slowed down waits from what he last said, a reaction too', () => {
  const at = Date.parse('2025-07-23T11:05:00Z');
  const slow = afterAll(EMPTY, [{ type: 'session', user_id: 1 }, joined]);
  expect(mayWriteAtMs(slow)).toBe(0);
  expect(mayWriteAtMs(afterAll(slow, [said(1)]))).toBe(at + 10_000);
  const reacted = afterAll(slow, [said(1), put(2, '❤️', 1, 1)]);
  expect(mayWriteAtMs(reacted)).toBe(at + 11_000);
  const other = afterAll(slow, [put(3, '👏', undefined, 2)]);
  expect(mayWriteAtMs(other)).toBe(0);
  const free = afterAll(reacted, [{ type: 'chat.slow_mode', seconds: 0 }]);
  expect(mayWriteAtMs(free)).toBe(0);
  const author = afterAll(slow, [{ ...joined, can_moderate: true }, said(1)]);
  expect(mayWriteAtMs(author)).toBe(0);
});

test('an event of another version is passed over', () => {
  expect(afterAll(EMPTY, [{ type: 'live.poll' } as unknown as RealTimeEvent])).toEqual(EMPTY);
});
