// Opens the page of a live and stays, as a viewer does whatever happens to the server.
//
//   node viewer.mjs <page URL>
//
// Prints one JSON line {state} once the page is there, then obeys lines on stdin:
//   state      answers {state, seen, sounds, offers_sound, current_time, buffered_to, width, error,
//              opened_ms, loaded}: what the player says, and every state it has said so far, in order;
//              the sounds there are to choose; whether it offers to turn the sound on; the time of the
//              picture, and how far media have come; the picture's width; the element's error; when
//              this page was loaded; the files of media asked for since the last answer
//   tap <id>   presses what has that data-testid, and answers as to `state`
//   hear <n>   chooses the sound at that place, from 0, and answers as to `state`
//   alone      leaves the picture out, and answers as to `state`
//   quit       leaves
// Errors go to stderr; the exit code is 1 when the page could not be opened.

import { createInterface } from 'node:readline';
import { openPage } from './browser.mjs';

const STEP_MS = 30_000;

const url = process.argv[2];
if (!url) {
  console.error('usage: node viewer.mjs <page URL>');
  process.exit(2);
}

const { browser, page } = await openPage();
const say = (value) => console.log(JSON.stringify(value));

const loaded = [];
page.on('request', (request) => {
  const file = new URL(request.url()).pathname.split('/').at(-1);
  if (file.endsWith('.m4s')) loaded.push(file);
});

try {
  await page.addInitScript(remember);
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: STEP_MS });
  await page.getByTestId('player').waitFor({ timeout: STEP_MS });
  say(await shown());
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, what] = line.trim().split(' ');
    if (command === 'quit') break;
    if (command === 'tap') await page.getByTestId(what).click({ timeout: STEP_MS });
    if (command === 'hear') await page.getByTestId('sounds').selectOption(what);
    if (command === 'alone') await page.getByTestId('sound-only').check({ force: true });
    say(await shown());
  }
} catch (error) {
  console.error(String(error.stack ?? error));
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function shown() {
  const page_says = await page.evaluate(() => {
    const video = document.querySelector('video');
    const ranges = video?.buffered;
    return {
      state: document.querySelector('[data-testid="player"]')?.getAttribute('data-state') ?? null,
      seen: globalThis.__seen,
      sounds: Array.from(
        document.querySelectorAll('[data-testid="sounds"] option'),
        (option) => option.textContent,
      ),
      offers_sound: document.querySelector('[data-testid="unmute"]') !== null,
      current_time: video?.currentTime ?? 0,
      buffered_to: ranges?.length ? ranges.end(ranges.length - 1) : 0,
      width: video?.videoWidth ?? 0,
      error: video?.error?.message ?? null,
      opened_ms: performance.timeOrigin,
    };
  });
  return { ...page_says, loaded: loaded.splice(0) };
}

/** Runs in the page before its own code: keeps what the player says, however shortly. */
function remember() {
  const seen = [];
  globalThis.__seen = seen;
  new MutationObserver(() => {
    const state = document.querySelector('[data-testid="player"]')?.getAttribute('data-state');
    if (state && state !== seen.at(-1)) seen.push(state);
  }).observe(document, { subtree: true, childList: true, attributeFilter: ['data-state'] });
}
