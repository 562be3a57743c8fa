import { expect, test } from 'vitest';
import { afterAll, comeBackMs, EMPTY, KEPT, lastId, type RealTimeEvent } from './live-chat';

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

test('who comes back asks for what follows the last message', () => {
  expect(lastId(EMPTY)).toBeNull();
  expect(lastId(afterAll(EMPTY, [said(4), said(7)]))).toBe(7);
});

test('joining says who may write, and what happens changes it', () => {
  const chat = afterAll(EMPTY, [{ type: 'session', user_id: 30 }, joined]);
  expect(chat).toMatchObject({ liveId: 395, viewers: 3, slowSeconds: 10, canWrite: true });
  const other = afterAll(chat, [{ type: 'chat.banned', user_id: 31 }]);
  expect(other.canWrite).toBe(true);
  const banned = afterAll(chat, [{ type: 'chat.banned', user_id: 30 }]);
  expect(banned.canWrite).toBe(false);
  expect(afterAll(banned, [{ type: 'chat.unbanned', user_id: 30 }]).canWrite).toBe(true);
  const over = afterAll(chat, [{ type: 'live.state', status: 'ended' }]);
  expect(over).toMatchObject({ status: 'ended', canWrite: false });
  expect(afterAll(over, [{ type: 'chat.unbanned', user_id: 30 }]).canWrite).toBe(false);
});

test('an event of another version is passed over', () => {
  expect(afterAll(EMPTY, [{ type: 'live.poll' } as unknown as RealTimeEvent])).toEqual(EMPTY);
});

test('broken connections come back later and later, each in a time of its own', () => {
  expect([comeBackMs(0, 0), comeBackMs(0, 1)]).toEqual([500, 1000]);
  expect(comeBackMs(3, 1)).toBe(8000);
  expect(comeBackMs(50, 1)).toBe(30_000);
});
