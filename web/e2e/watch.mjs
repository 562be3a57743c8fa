// Watches a live as a viewer does and reports how it went.
//
//   node watch.mjs <page URL> <seconds> [screenshot path]
//
// Prints one JSON line: {playing, state, seconds_played, stalls, stall_ms, currentTime, latency,
// videoWidth, videoHeight, readyState, dropped_frames, total_frames, bytes, first_frame_ms, errors}.
// Exits with 0 once so many seconds of the live were played; with 1 when that takes much longer than it lasts.
// Stalls are told, not judged: a browser that draws in software may be kept from the machine.

import { openPage } from './browser.mjs';
import { observe } from './observe.mjs';

/** A live may take this long to show its first picture. */
const START_MS = 30_000;
/** By so much the time it takes may pass the time played. */
const LATE_MS = 15_000;

const [url, secondsText, screenshot] = process.argv.slice(2);
const seconds = Number(secondsText);
if (!url || !(seconds > 0)) {
  console.error('usage: node watch.mjs <page URL> <seconds> [screenshot path]');
  process.exit(2);
}

const errors = [];
const { browser, page } = await openPage({ errors });
let report = { playing: false };
try {
  await page.addInitScript(observe);
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: START_MS });
  report = await watch();
} catch (error) {
  errors.push(String(error.message ?? error).split('\n')[0]);
} finally {
  if (screenshot) await page.screenshot({ path: screenshot }).catch(() => {});
  await browser.close();
}
const good = report.seconds_played >= seconds;
console.log(JSON.stringify({ ...report, errors }));
process.exit(good ? 0 : 1);

async function watch() {
  const opened = Date.now();
  while (!(await sample()).playing) {
    if (Date.now() - opened > START_MS) return summary(await sample(), 0);
    await tapWhatAsks();
    await page.waitForTimeout(100);
  }
  const started = await sample();
  // The page offers sound a moment after the first picture.
  await page
    .getByTestId('unmute')
    .waitFor({ timeout: 3000 })
    .catch(() => {});
  await tapWhatAsks();
  const end = started.currentTime + seconds;
  await page
    .waitForFunction((end) => document.querySelector('video').currentTime >= end, end, {
      timeout: seconds * 1000 + LATE_MS,
    })
    .catch(() => {});
  return summary(await sample(), started.currentTime);
}

/** Presses "play" or "sound on" when the page shows them, as a person would. */
async function tapWhatAsks() {
  for (const button of ['play', 'unmute']) {
    const found = page.getByTestId(button);
    if (await found.isVisible().catch(() => false)) await found.click({ timeout: 2000 });
  }
}

function sample() {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    const root = document.querySelector('[data-testid="player"]');
    const quality = video?.getVideoPlaybackQuality?.();
    const bytes = document.querySelector('[data-testid="data-used"]')?.getAttribute('data-bytes');
    return {
      ...globalThis.__observed,
      state: root?.getAttribute('data-state') ?? null,
      playing: !!video && video.currentTime > 0 && !video.paused && video.readyState >= 3,
      currentTime: video?.currentTime ?? 0,
      readyState: video?.readyState ?? 0,
      videoWidth: video?.videoWidth ?? 0,
      videoHeight: video?.videoHeight ?? 0,
      muted: video?.muted ?? null,
      dropped_frames: quality?.droppedVideoFrames ?? 0,
      total_frames: quality?.totalVideoFrames ?? 0,
      bytes: bytes ? Number(bytes) : null,
    };
  });
}

function summary(now, from) {
  return { ...now, seconds_played: Number(Math.max(0, now.currentTime - from).toFixed(2)) };
}
