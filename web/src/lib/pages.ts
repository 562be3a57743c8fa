// A list of which the server gives a page at a time, while its rows leave it one by one. Pure.

/** The page that brings what follows, of pages of `size` rows, where `left` rows are still listed. */
export const nextPage = (left: number, size: number): number => Math.floor(left / size) + 1;

/** A list with more rows, each once. */
export function joined<T extends { id: number }>(list: readonly T[], more: readonly T[]): T[] {
  const known = new Set(list.map(({ id }) => id));
  return [...list, ...more.filter(({ id }) => !known.has(id))];
}
