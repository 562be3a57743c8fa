import { expect, test } from 'vitest';
import { ApiError, errorFromResponse } from './api/errors';
import { Like, withLike } from './like';

/** A server that answers when the test says so. */
function server() {
  const asked: { likes: boolean; answer: (error?: ApiError) => Promise<void> }[] = [];
  const send = (likes: boolean) =>
    new Promise<void>((done, failed) => {
      const answer = async (error?: ApiError) => {
        if (error) failed(error);
        else done();
        await new Promise((soon) => setTimeout(soon));
      };
      asked.push({ likes, answer });
    });
  const shown: [boolean, string | null][] = [];
  const show = (likes: boolean, trouble: string | null) => void shown.push([likes, trouble]);
  return { asked, send, shown, show };
}
const refusal = (status: number) => errorFromResponse(status, { detail: 'Non.' }, null);

test('a like counts at once, and once', () => {
  const post = { is_liked_by_user: false, likes_count: 3 };
  expect(withLike(post, true)).toEqual({ is_liked_by_user: true, likes_count: 4 });
  expect(withLike(withLike(post, true), true).likes_count).toBe(4);
  expect(withLike({ is_liked_by_user: true, likes_count: 0 }, false).likes_count).toBe(0);
});

test('it is shown before the server has answered', async () => {
  const { asked, send, shown, show } = server();
  void new Like(false, send, show).toggle(false);
  expect(shown).toEqual([[true, null]]);
  await asked[0]?.answer();
  expect(shown).toHaveLength(1);
});

test('what is refused is taken back, with a word', async () => {
  const { asked, send, shown, show } = server();
  void new Like(false, send, show).toggle(false);
  await asked[0]?.answer(refusal(500));
  expect(shown).toEqual([
    [true, null],
    [false, 'Non.'],
  ]);
});

test('what was so already is no refusal', async () => {
  const { asked, send, shown, show } = server();
  const like = new Like(false, send, show);
  void like.toggle(false);
  await asked[0]?.answer(refusal(400));
  void like.toggle(true);
  await asked[1]?.answer(refusal(404));
  expect(shown).toEqual([
    [true, null],
    [false, null],
  ]);
});

test('who presses again and again is asked for once at a time, and in the end as he wants', async () => {
  const { asked, send, show } = server();
  const like = new Like(false, send, show);
  for (const shown of [false, true, false, true]) void like.toggle(shown);
  expect(asked).toHaveLength(1);
  await asked[0]?.answer();
  expect(asked.map(({ likes }) => likes)).toEqual([true, false]);
  await asked[1]?.answer();
  expect(asked).toHaveLength(2);
});

test('a post that is read anew meanwhile does not undo a press', async () => {
  const { asked, send, shown, show } = server();
  const like = new Like(false, send, show);
  void like.toggle(false);
  like.learn(false);
  expect(shown.slice(-1)[0]).toEqual([true, null]);
  await asked[0]?.answer();
  like.learn(true);
  void like.toggle(true);
  expect(shown.slice(-1)[0]).toEqual([false, null]);
  expect(asked.slice(-1)[0]?.likes).toBe(false);
});

test('who sees no like wants one, whatever was known', async () => {
  const { asked, send, shown, show } = server();
  const like = new Like(true, send, show);
  await like.toggle(false);
  expect(shown).toEqual([[true, null]]);
  expect(asked).toHaveLength(0);
});
