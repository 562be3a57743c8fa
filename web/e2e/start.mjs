// How soon the watch page shows a picture to somebody who comes for the first time over a weak link.
//
//   node start.mjs <watch page URL> slow-3g|fast-3g|none
//
// Prints the waterfall, one request a line: when it was sent, when its answer began and ended, in
// milliseconds since the address was entered; bytes received; what. Then one JSON line {link,
// effective_type, page_bytes, first_frame_ms, stalls, stall_ms}: page_bytes are those of the page, its
// scripts and styles; stalls are those of the ten seconds after the first picture.
// The link is the browser's own emulation: bandwidth for all requests, round trip for each.

import { openPage } from './browser.mjs';
import { observe } from './observe.mjs';

const LINKS = {
  'slow-3g': { kbits: 400, up_kbits: 400, round_trip_ms: 400 },
  'fast-3g': { kbits: 1600, up_kbits: 750, round_trip_ms: 150 },
  none: null,
};
const START_MS = 60_000;
const WATCHED_MS = 10_000;
/** Parts are many: so many lines are enough. */
const MEDIA_SHOWN = 6;

const [url, name] = process.argv.slice(2);
if (!url || !(name in LINKS)) {
  console.error(`usage: node start.mjs <watch page URL> ${Object.keys(LINKS).join('|')}`);
  process.exit(2);
}

const { browser, page } = await openPage({ width: 360, height: 740 });
const requests = new Map();
try {
  await page.addInitScript(observe);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  await slowDown(cdp, LINKS[name]);
  record(cdp);
  await page.goto(url, { waitUntil: 'commit', timeout: START_MS });
  await page.waitForFunction(() => globalThis.__observed.first_frame_ms !== null, null, {
    timeout: START_MS,
  });
  await page.waitForTimeout(WATCHED_MS);
  const shown = await page.evaluate(() => ({
    effective_type: navigator.connection?.effectiveType ?? null,
    ...globalThis.__observed,
  }));
  print(shown.first_frame_ms);
  const ours = [...requests.values()].filter(({ path }) => !/^\/(api|hls)\//.test(path));
  const page_bytes = ours.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(JSON.stringify({ link: name, page_bytes, ...shown }));
} catch (error) {
  console.error(String(error.stack ?? error));
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function slowDown(cdp, link) {
  if (!link) return;
  const bytesPerSecond = (kbits) => (kbits * 1000) / 8;
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: link.round_trip_ms,
    downloadThroughput: bytesPerSecond(link.kbits),
    uploadThroughput: bytesPerSecond(link.up_kbits),
    connectionType: 'cellular3g',
  });
}

function record(cdp) {
  let zero;
  const at = (timestamp) => Math.round((timestamp - zero) * 1000);
  const of = (event, then) =>
    cdp.on(`Network.${event}`, (told) => {
      const request = requests.get(told.requestId);
      if (request) then(request, told);
    });
  cdp.on('Network.requestWillBeSent', ({ requestId, request, timestamp }) => {
    zero ??= timestamp;
    const { pathname: path, search, protocol } = new URL(request.url);
    if (protocol.startsWith('http'))
      requests.set(requestId, { path, search, sent: at(timestamp), bytes: 0 });
  });
  of('responseReceived', (request, { timestamp }) => (request.began = at(timestamp)));
  of('dataReceived', (request, { encodedDataLength }) => (request.bytes += encodedDataLength));
  of('loadingFinished', (request, { timestamp, encodedDataLength }) => {
    request.ended = at(timestamp);
    request.bytes = encodedDataLength;
  });
}

function print(first_frame_ms) {
  const cell = (value) => String(value ?? '-').padStart(7);
  console.log([' sent', 'began', 'ended', 'bytes'].map(cell).join(''), ' what');
  let media = 0;
  for (const { path, search, sent, began, ended, bytes } of requests.values()) {
    if (/\.(m4s|ts)$/.test(path) && (media += 1) > MEDIA_SHOWN) continue;
    if (sent > first_frame_ms) continue;
    console.log([sent, began, ended, bytes].map(cell).join(''), ` ${path}${search}`);
  }
}
