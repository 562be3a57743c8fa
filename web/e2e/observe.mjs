// What a media element goes through, whoever plays on it.

/**
 * Runs in the page before its own code: `__observed` is {stalls, stall_ms, first_frame_ms}.
 *
 * A stall is a `waiting` of the media element after the first `playing`, but for those of a seek,
 * which the player makes to come nearer to the edge, and those over within a picture's time.
 */
export function observe() {
  const seen = { stalls: 0, stall_ms: 0, first_frame_ms: null };
  globalThis.__observed = seen;
  let dryAt = null;
  // Media events do not bubble, but they are captured on their way down.
  document.addEventListener(
    'playing',
    () => {
      seen.first_frame_ms ??= Math.round(performance.now());
      if (dryAt !== null) {
        const dry = performance.now() - dryAt;
        seen.stall_ms += Math.round(dry);
        if (dry < 1000 / 30) seen.stalls -= 1;
      }
      dryAt = null;
    },
    true,
  );
  document.addEventListener(
    'waiting',
    ({ target }) => {
      if (seen.first_frame_ms === null || target.seeking) return;
      seen.stalls += 1;
      dryAt = performance.now();
    },
    true,
  );
}
