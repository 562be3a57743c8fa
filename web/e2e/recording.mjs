// Stays at the page of a live to its end and after it, as a member does.
//
//   node recording.mjs <base URL> <folder for pictures> <path of the watch page> <address of the member>
//
// Prints one JSON line {ready}, then obeys lines on stdin, each answered by one JSON line:
//   lives        the cards of what is on: {posters}, how many show a picture
//   watch        opens the live and waits until it plays: {state}
//   again        waits for its end, and watches it again from there: {said, time}
//   open         opens the page anew: {lasts, poster, loaded}: what is offered, and the files of media and thumbnails loaded for it
//   play         plays it: {time, thumbnails}: the times shown, and the files of thumbnails loaded so far
//   point        points at the middle of the seek bar: {seconds, from, picture, text}
//   seek         presses there: {time, said}: where it plays then, and what a screen reader is told
//   keys         {right, left, end}: where the arrows and `End` lead, from the middle on
//   drag         drags the knob to the beginning with a finger: {held, from, time}
//   speed        {rate}
//   strangers    opens it as somebody who has no session: {file}: what he is offered
//   allow        allows others to have it as a file: {allowed}
//   file         takes it as a file: {offered, name, bytes, said}
//   cut          cuts a clip out of its middle by keys: {hidden, first, wrong, focused, chosen, lasts, marked, focus, link}
//   recordings   the cards of what is over: {posters, lasts}
//   quit         {wide, errors}: what sticks out of the pages, what the console had to say; and leaves

import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { looks, openPage, openPerson, unforeseen } from './browser.mjs';
import { signIn } from './people.mjs';

const STEP_MS = 40_000;
const SIZES = [
  [360, 640],
  [1440, 900],
];

const [base, folder, path, email] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const wide = [];
const { browser, page } = await openPage({ width: 1440, height: 900, errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);
const say = (value) => console.log(JSON.stringify(value));
const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const becomes = (state) => page.locator(`[data-testid="player"][data-state="${state}"]`).waitFor();
const time = () => page.evaluate(() => document.querySelector('video').currentTime);

let loaded = [];
page.on('request', (request) => {
  const file = new URL(request.url()).pathname.split('/').at(-1);
  if (/\.(m4s|mp4|vtt|jpg)$/.test(file) && !file.startsWith('poster')) loaded.push(file);
});

/** How many pictures of cards there are, all there. */
async function posters(list) {
  const cards = at(list).getByTestId('card-poster');
  await cards.first().waitFor();
  await page.waitForFunction(
    (list) =>
      [
        ...document.querySelectorAll(`[data-testid="${list}"] img[data-testid="card-poster"]`),
      ].every((it) => it.complete && it.naturalWidth > 0),
    list,
  );
  return cards.count();
}

/** Where a share of the seek bar is on the screen. */
async function onBar(share) {
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
  async lives() {
    await page.goto(`${base}/`);
    const shown = await posters('lives');
    wide.push(...(await looks(page, folder, 'lives')));
    return { posters: shown };
  },
  async watch() {
    await page.goto(base + path);
    await becomes('playing');
    return { state: 'playing' };
  },
  async again() {
    await becomes('ended');
    await at('replay').waitFor();
    wide.push(...(await looks(page, folder, 'ended')));
    const said = await text(at('player-message'));
    await at('replay').click();
    await becomes('playing');
    await page.waitForFunction(() => document.querySelector('video').currentTime > 0.3);
    return { said, time: await time() };
  },
  async open() {
    loaded = [];
    await page.goto(base + path);
    await at('play').waitFor();
    await page.waitForFunction(
      () => document.querySelector('[data-testid="poster"]')?.naturalWidth > 0,
    );
    wide.push(...(await looks(page, folder, 'offered')));
    return { lasts: await text(at('lasts')), poster: await at('poster').isVisible(), loaded };
  },
  async play() {
    await at('play').click();
    await becomes('playing');
    const thumbnails = loaded.filter((file) => /\.(vtt|jpg)$/.test(file));
    return { time: await text(at('time')), thumbnails };
  },
  async point() {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await point();
      await page.screenshot({ path: join(folder, `seeking-${width}.png`) });
    }
    const thumbnail = at('seek-thumbnail');
    const picture = await thumbnail.evaluate(async (it) => {
      const url = /url\("(.*)"\)/.exec(getComputedStyle(it).backgroundImage)?.[1] ?? '';
      const image = new Image();
      image.src = url;
      await image.decode();
      return { width: it.clientWidth, height: it.clientHeight, sheet: image.naturalWidth };
    });
    return {
      seconds: Number(await at('seek-preview').getAttribute('data-seconds')),
      from: Number(await thumbnail.getAttribute('data-from')),
      picture,
      text: await text(at('seek-preview')),
    };
  },
  async seek() {
    await at('toggle-play').click();
    const [x, y] = await onBar(0.5);
    await page.mouse.click(x, y);
    await page.waitForFunction(() => !document.querySelector('video').seeking);
    const slider = page.getByRole('slider', { name: 'Position dans l’enregistrement' });
    return { time: await time(), said: await slider.getAttribute('aria-valuetext') };
  },
  async keys() {
    const slider = at('seek');
    await slider.focus();
    const led = async (key) => {
      await page.keyboard.press(key);
      await page.waitForFunction(() => !document.querySelector('video').seeking);
      return time();
    };
    return { right: await led('ArrowRight'), left: await led('ArrowLeft'), end: await led('End') };
  },
  async drag() {
    const [fromX, y] = await onBar(0.99);
    const [toX] = await onBar(0.02);
    await page.mouse.move(fromX, y);
    await page.mouse.down();
    await page.mouse.move(toX, y, { steps: 8 });
    const held = Number(await at('seek-preview').getAttribute('data-seconds'));
    const before = await time();
    const from = Number(await at('seek-thumbnail').getAttribute('data-from'));
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector('video').currentTime < 1);
    return { held, from, before, time: await time() };
  },
  async speed() {
    await at('speed').selectOption('1.5');
    return { rate: await page.evaluate(() => document.querySelector('video').playbackRate) };
  },
  async strangers() {
    const { context, page: other } = await openPerson(browser, { errors });
    await other.goto(base + path);
    await other.getByTestId('play').waitFor();
    // What is for others to take comes with the screen.
    await other.waitForLoadState('networkidle');
    const offers = other.getByTestId('recording-tools');
    const file = (await offers.count()) > 0 ? await text(offers) : null;
    await context.close();
    return { file };
  },
  async allow() {
    await at('allow-downloads').focus();
    await page.keyboard.press('Space');
    await page.waitForFunction(
      () => document.querySelector('[data-testid="allow-downloads"]').disabled === false,
    );
    return { allowed: await at('allow-downloads').isChecked() };
  },
  async file() {
    const offered = await text(at('download'));
    const coming = page.waitForEvent('download');
    await at('download').focus();
    await page.keyboard.press('Enter');
    const file = await coming;
    const bytes = (await stat(await file.path())).size;
    return {
      offered,
      name: file.suggestedFilename(),
      bytes,
      said: await text(at('download-state')),
    };
  },
  async cut() {
    const press = async (id, ...keys) => {
      await at(id).focus();
      for (const key of keys) await page.keyboard.press(key);
    };
    const hidden = await at('clip').count();
    await press('cut', 'Enter');
    await at('clip').waitFor();
    const value = (id) => at(`field-${id}`).inputValue();
    const first = [await value('start'), await value('end')];
    await at('field-start').fill('midi');
    await press('field-end', 'Enter');
    const wrong = await text(at('error-start'));
    const focused = await page.evaluate(() => document.activeElement.name);
    await press('seek', 'Home', 'ArrowRight');
    await press('start-here', 'Enter');
    await press('seek', 'ArrowRight');
    await press('end-here', 'Enter');
    const chosen = [await value('start'), await value('end')];
    const lasts = await text(at('clip-lasts'));
    const marked = await at('seek-marked').evaluate(
      (it) => it.clientWidth / it.parentElement.clientWidth,
    );
    wide.push(...(await looks(page, folder, 'clip')));
    await at('field-title').fill('Le plus beau moment');
    await page.keyboard.press('Enter');
    await at('clip-made').waitFor();
    wide.push(...(await looks(page, folder, 'clip-made')));
    const focus = await page.evaluate(() => document.activeElement.dataset.testid);
    const link = new URL(await at('clip-link').getAttribute('href'), base).pathname;
    return { hidden, first, wrong, focused, chosen, lasts, marked, focus, link };
  },
  async recordings() {
    await page.goto(`${base}/`);
    const shown = await posters('posts');
    wide.push(...(await looks(page, folder, 'recordings')));
    return { posters: shown, lasts: await text(at('posts')) };
  },
};

try {
  await signIn(page, base, email);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = line.trim();
    if (command === 'quit') break;
    say(await commands[command]());
  }
  say({ wide, errors: unforeseen(errors) });
} catch (error) {
  await page.screenshot({ path: join(folder, 'failed.png') }).catch(() => {});
  console.error([String(error.stack ?? error), ...errors].join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
