/** How soon to come back after `failures` broken connections: spread, so that not all come at once. */
export function comeBackMs(failures: number, random: number): number {
  const longest = Math.min(1000 * 2 ** failures, 30_000);
  return Math.round(longest * (0.5 + random / 2));
}
