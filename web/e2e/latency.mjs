// How far behind its encoder a live is shown, measured on every picture as it is presented.
//
//   node latency.mjs page <watch page URL> <seconds>
//   node latency.mjs shaka <playlist URL> <seconds>
//
// `page` is our own page with the player it comes with, `shaka` is Shaka Player in low-latency mode.
// Prints one JSON line {player, date, clock, first_frame_ms, stalls, stall_ms, dropped_frames, errors}.
// `date` and `clock` are {pictures, median, p95, p99, max} in milliseconds: the wall clock less
// EXT-X-PROGRAM-DATE-TIME of the picture, as the player reckons it; and less the clock that the
// encoder drew into it (scripts/clock.sh), null without one. Their difference is what the way from
// the encoder's picture to the server takes. Both clocks must be those of one machine.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { openPage } from './browser.mjs';
import { observe } from './observe.mjs';

const START_MS = 30_000;
/** Pictures of the start, while the player is still on its way to the edge. */
const SETTLE_MS = 3000;

const [player, url, secondsText] = process.argv.slice(2);
const seconds = Number(secondsText);
const open = { page: openOurs, shaka: openShaka }[player];
if (!open || !url || !(seconds > 0)) {
  console.error('usage: node latency.mjs page|shaka <URL> <seconds>');
  process.exit(2);
}

const errors = [];
const { browser, page } = await openPage({ errors });
try {
  await page.addInitScript(observe);
  await open();
  await page.waitForFunction(() => globalThis.__observed.first_frame_ms !== null, null, {
    timeout: START_MS,
  });
  await page.waitForTimeout(SETTLE_MS);
  await page.evaluate(measure);
  await page.waitForTimeout(seconds * 1000);
  console.log(JSON.stringify({ player, ...(await report()) }));
} catch (error) {
  console.error([String(error.stack ?? error), ...errors].join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function openOurs() {
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: START_MS });
  // The page keeps its player to itself; its library is a module, and a module is there once.
  const library = await page.waitForFunction(
    () =>
      performance
        .getEntriesByType('resource')
        .find(({ name }) => /\/assets\/hls\.light.*\.js$/.test(name))?.name,
    null,
    { timeout: START_MS },
  );
  await page.evaluate(async (name) => {
    const module = await import(name);
    const Hls = Object.values(module).find((value) => value?.isSupported);
    const { trigger } = Hls.prototype;
    Hls.prototype.trigger = function (...happening) {
      globalThis.__dateAt = (time) => {
        const details = this.latestLevelDetails;
        const holds = ({ start, end }) => time >= start && time < end;
        const listed = details?.fragments.find(holds) ?? details?.fragmentHint;
        return listed?.programDateTime && listed.programDateTime + (time - listed.start) * 1000;
      };
      return trigger.apply(this, happening);
    };
  }, library);
}

async function openShaka() {
  // A page of the server's own origin that is none of its pages.
  const blank = new URL('/shaka', url).href;
  const body = '<link rel="icon" href="data:,"><video muted autoplay width="640"></video>';
  await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', body }));
  await page.goto(blank, { timeout: START_MS });
  const file = createRequire(import.meta.url).resolve('shaka-player');
  await page.addScriptTag({ content: readFileSync(file, 'utf8') });
  const failed = (error) => errors.push(`shaka: ${error}`);
  await page.exposeFunction('__failed', failed);
  await page.evaluate(async (playlist) => {
    const { shaka } = globalThis;
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(document.querySelector('video'));
    player.addEventListener('error', ({ detail }) => globalThis.__failed(detail.message));
    player.configure({ streaming: { lowLatencyMode: true } });
    await player.load(playlist);
    globalThis.__dateAt = (time) => {
      const zero = player.getPresentationStartTimeAsDate();
      return zero && zero.getTime() + time * 1000;
    };
  }, url);
}

/** Runs in the page: takes down the delay of each picture that is presented from now on. */
function measure() {
  const BITS = 32;
  const video = document.querySelector('video');
  const strip = new OffscreenCanvas(BITS, 1).getContext('2d', { willReadFrequently: true });
  const seen = { date: [], clock: [] };
  globalThis.__delays = seen;

  const modulo = (ms) => ((ms % 2 ** BITS) + 2 ** BITS) % 2 ** BITS;

  /** Milliseconds since the epoch, their low 32 bits: scripts/clock.sh draws them, least first. */
  function clock() {
    // The strip is the upper 16 lines; its middle is free of what compression smears into it.
    strip.drawImage(video, 0, 4, video.videoWidth, 8, 0, 0, BITS, 1);
    const { data } = strip.getImageData(0, 0, BITS, 1);
    let ms = 0;
    for (let bit = 0; bit < BITS; bit++) ms += data[bit * 4] > 127 ? 2 ** bit : 0;
    return ms;
  }

  video.requestVideoFrameCallback(function each(now, { mediaTime, expectedDisplayTime }) {
    const shown = performance.timeOrigin + expectedDisplayTime;
    const date = globalThis.__dateAt?.(mediaTime);
    if (date) seen.date.push(shown - date);
    seen.clock.push(modulo(Math.round(shown) - clock()));
    video.requestVideoFrameCallback(each);
  });
}

async function report() {
  const { delays, ...rest } = await page.evaluate(() => ({
    ...globalThis.__observed,
    dropped_frames: document.querySelector('video').getVideoPlaybackQuality().droppedVideoFrames,
    delays: globalThis.__delays,
  }));
  // A picture without a clock reads as any time at all.
  const plausible = delays.clock.filter((ms) => ms < 60_000);
  const drawn = plausible.length > delays.clock.length * 0.9;
  const clock = drawn ? summary(plausible) : null;
  return { date: summary(delays.date), clock, ...rest, errors };
}

function summary(delays) {
  const sorted = [...delays].sort((one, other) => one - other);
  const at = (share) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  const [median, p95, p99, max] = [0.5, 0.95, 0.99, 1].map(at);
  return { pictures: sorted.length, median, p95, p99, max };
}
