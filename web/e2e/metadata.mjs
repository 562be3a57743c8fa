// Plays a playlist with hls.js, in the build the page has, and tells what it hears of timed metadata.
//
//   node metadata.mjs <playlist URL>
//
// Prints one JSON line {ready} once hls.js is there, then obeys lines on stdin:
//   play    begins, answers as `state`
//   state   answers {parsed, cues, errors}: how much hls.js found in segments (FRAG_PARSING_METADATA),
//           and each cue of its hidden text track as it became active: {name, value, start, seen, date},
//           where `seen` is the time of the picture and `date` the wall clock of the cue's start
//   quit    leaves
// Errors go to stderr; the exit code is 1 when nothing could be played.

import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openPage } from './browser.mjs';

const url = process.argv[2];
if (!url) {
  console.error('usage: node metadata.mjs <playlist URL>');
  process.exit(2);
}

const { browser, page } = await openPage();
const say = (value) => console.log(JSON.stringify(value));

try {
  const build = new URL('../node_modules/hls.js/dist/hls.light.min.js', import.meta.url);
  await page.addInitScript({ path: fileURLToPath(build) });
  await page.goto(new URL(url).origin);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === 'quit') break;
    if (line.trim() === 'play') await page.evaluate(watch, url);
    say(await page.evaluate(() => globalThis.__heard));
  }
} catch (error) {
  console.error(String(error.stack ?? error));
  process.exitCode = 1;
} finally {
  await browser.close();
}

/** Runs in the page: a player of its own, beside those of the page. */
function watch(url) {
  const { Hls } = globalThis;
  const heard = { parsed: 0, cues: [], errors: [] };
  globalThis.__heard = heard;
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const hls = new Hls({ enableWorker: false });
  hls.on(Hls.Events.FRAG_PARSING_METADATA, (_, { samples }) => (heard.parsed += samples.length));
  hls.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && heard.errors.push(details));
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  const known = new Set();
  video.textTracks.addEventListener('addtrack', ({ track }) => {
    if (track.kind !== 'metadata') return;
    track.addEventListener('cuechange', () => {
      for (const cue of track.activeCues) {
        if (known.has(cue)) continue;
        known.add(cue);
        const seen = video.currentTime;
        const date = hls.playingDate.getTime() - (seen - cue.startTime) * 1000;
        heard.cues.push({
          name: cue.value.info,
          value: cue.value.data,
          start: cue.startTime,
          seen,
          date,
        });
      }
    });
  });
  hls.loadSource(url);
  hls.attachMedia(video);
}
