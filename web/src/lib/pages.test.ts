import { expect, test } from 'vitest';
import { joined, nextPage } from './pages';

test('rows that left the list do not hide the ones behind them', () => {
  // 45 rows by twenty: the first page is shown, then five of its rows are decided and leave.
  let server = Array.from({ length: 45 }, (_, n) => ({ id: n + 1 }));
  const page = (n: number) => server.slice((n - 1) * 20, n * 20);
  let shown = joined([], page(1));
  const left = (id: number) => id > 5;
  server = server.filter(({ id }) => left(id));
  shown = shown.filter(({ id }) => left(id));
  while (shown.length < server.length) shown = joined(shown, page(nextPage(shown.length, 20)));
  expect(shown.map(({ id }) => id)).toEqual(server.map(({ id }) => id));
});
