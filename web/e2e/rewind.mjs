// Watches a live, goes back in it and returns to it, by hand and by keyboard.
//
//   node rewind.mjs <base URL> <folder for pictures> <path of the watch page>
//
// Prints one JSON line {ready}, then obeys lines on stdin, each answered by one JSON line:
//   watch        opens the live and waits until it plays: {said, lists}: what the slider says, and the playlists
//                of going back loaded so far
//   point        points at the middle of the slider: {seconds, from, text, picture}
//   beginning    goes to the beginning: {date, said, before, lists}: how far into the live what plays
//                there is, in seconds
//   keys         {from, right, left}: where the arrows lead from there, in seconds into the live
//   edge         `End` on the slider: {said, latency}
//   step         the left arrow beside the slider: {behind}: seconds behind the live
//   button       the button that leads back: {rewound}
//   quit         {wide, errors}: what sticks out of the pages, what the console had to say; and leaves

import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { looks, openPage, unforeseen } from './browser.mjs';

const STEP_MS = 40_000;
const SIZES = [
  [360, 640],
  [1440, 900],
];

const [base, folder, path] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const wide = [];
const { browser, page } = await openPage({ width: 1440, height: 900, errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);
const say = (value) => console.log(JSON.stringify(value));
const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const said = () => at('seek').getAttribute('aria-valuetext');
const plays = (rewound) =>
  page.locator(`[data-testid="player"][data-state="playing"][data-rewound="${rewound}"]`).waitFor();

const lists = [];
page.on('request', (request) => {
  if (request.url().includes('-rewind.m3u8')) lists.push(request.url());
});

/** Where the slider is, in seconds from its beginning and from its end. */
const place = () =>
  at('seek').evaluate((it) => ({ from: it.value - it.min, behind: it.max - it.value }));

/** The same once what was sought plays. */
async function settled() {
  await page
    .locator(
      '[data-testid="player"][data-rewound="true"][data-going="false"][data-state="playing"]',
    )
    .waitFor();
  return place();
}

/** Where a share of the slider is on the screen. */
async function onBar(share) {
  await page.mouse.move(300, 200);
  const { x, y, width, height } = await at('seek').boundingBox();
  return [x + width * share, y + height / 2];
}

async function point() {
  const [x, y] = await onBar(0.5);
  await page.mouse.move(x - 30, y);
  await page.mouse.move(x, y);
  await at('seek-thumbnail').waitFor();
}

const commands = {
  async watch() {
    await page.goto(base + path);
    await plays(false);
    await at('seek').waitFor();
    return { said: await said(), lists };
  },
  async point() {
    await point();
    const thumbnail = at('seek-thumbnail');
    const preview = at('seek-preview');
    const picture = await thumbnail.evaluate((it) => ({
      width: it.clientWidth,
      height: it.clientHeight,
    }));
    const seconds = Number(await preview.getAttribute('data-seconds'));
    const from = Number(await thumbnail.getAttribute('data-from'));
    return { seconds, from, text: await text(preview), picture };
  },
  async beginning() {
    const [x, y] = await onBar(0.01);
    await page.mouse.click(x, y);
    const { from } = await settled();
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await point();
      await page.screenshot({ path: join(folder, `seeking-${width}.png`) });
    }
    return { date: from, said: await said(), before: await text(at('before')), lists };
  },
  async keys() {
    await at('toggle-play').focus();
    await page.keyboard.press('Home');
    const { from } = await settled();
    await page.keyboard.press('ArrowRight');
    const { from: right } = await settled();
    await page.keyboard.press('j');
    const { from: left } = await settled();
    return { from, right, left };
  },
  async edge() {
    await at('seek').focus();
    await page.keyboard.press('End');
    await plays(false);
    await at('live-badge').waitFor();
    const { behind: latency } = await place();
    wide.push(...(await looks(page, folder, 'live')));
    return { said: await said(), latency };
  },
  async step() {
    await at('toggle-play').focus();
    await page.keyboard.press('ArrowLeft');
    return settled();
  },
  async button() {
    wide.push(...(await looks(page, folder, 'rewound')));
    // Controls leave a picture alone that nobody points at.
    await page.mouse.move(300, 200);
    await page.mouse.move(320, 220);
    await at('to-edge').click();
    await plays(false);
    return { rewound: (await at('player').getAttribute('data-rewound')) === 'true' };
  },
  async quit() {
    return { wide, errors: unforeseen(errors) };
  },
};

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const command = line.trim();
  try {
    say(await commands[command]());
  } catch (error) {
    await page.screenshot({ path: join(folder, 'failed.png') }).catch(() => {});
    console.error([command, String(error.stack ?? error), ...errors].join('\n'));
    process.exitCode = 1;
    break;
  }
  if (command === 'quit') break;
}
await browser.close();
