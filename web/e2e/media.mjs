// A member brings files, over a link that is slow and breaks, and follows what becomes of them.
//
//   node media.mjs <base URL> <folder for pictures> <a video that has to be converted> [fails]
//
// With `fails`, of a server whose worker dies of it. Prints one JSON line: what was seen (`seen`), what
// sticks out of the page (`wide`), and what the console had to say (`errors`).

import { copyFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { looks, openPage, play } from './browser.mjs';
import { openLink } from './link.mjs';
import { signUp } from './people.mjs';

const STEP_MS = 60_000;
const MB = 1_000_000;

const [base, folder, video, how] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const link = await openLink(base);
const { browser, page } = await openPage({ width: 360, height: 640, errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);
const upload = (state) => page.locator(`[data-testid="upload"][data-state="${state}"]`);
const media = (state) => page.locator(`[data-testid="media"][data-state="${state}"]`);

const seen = {};
// Who leaves while something is on its way is asked whether he means it.
page.on('dialog', (dialog) => {
  seen.asked = dialog.type();
  void dialog.accept();
});
const wide = [];
const look = async (name) => wide.push(...(await looks(page, folder, name)));
await play(page, folder, { seen, wide, errors }, async () => {
  await signUp(page, link.base);
  await at('account').click();
  await at('nav-media').click();
  await page.locator('main h1').waitFor();
  await (how === 'fails' ? failing() : succeeding());
});
await browser.close();
link.close();

async function succeeding() {
  await look('empty');
  await refused();
  await cancelled();
  await brokenAndGoneOn();
  await converted();
}

/** Something that only calls itself a video. */
async function refused() {
  const path = join(folder, 'pas-une-video.mp4');
  writeFileSync(path, 'Bonjour. '.repeat(1000));
  await at('media-files').setInputFiles(path);
  seen.refused = await tidy(upload('refused').getByTestId('upload-trouble'));
  await look('refused');
  await page.locator('[data-testid="upload"] button').click();
  await upload('refused').waitFor({ state: 'detached' });
}

/** Three files: two go, the third waits; all are taken back. */
async function cancelled() {
  const copies = ['deux.avi', 'trois.avi'].map((name) => join(folder, name));
  for (const copy of copies) copyFileSync(video, copy);
  let takenBack = 0;
  const count = (answer) => {
    if (answer.request().method() === 'DELETE' && answer.status() === 204) takenBack += 1;
  };
  page.on('response', count);
  void link.allow(2 * MB);
  await at('media-files').setInputFiles([video, ...copies]);
  await underWay(0);
  await upload('sending').nth(1).waitFor();
  seen.queued = await upload('queued').count();
  await look('sending');
  for (const state of ['queued', 'sending', 'sending']) {
    await upload(state).first().getByTestId('upload-cancel').click();
  }
  await page.getByTestId('upload').waitFor({ state: 'detached' });
  // What is held back hides that nobody sends any more.
  void link.allow(Infinity);
  while (takenBack < 2) await page.waitForEvent('response');
  page.off('response', count);
  seen.forgotten = await page.evaluate(() => localStorage.getItem('cc.uploads'));
  for (const copy of copies) rmSync(copy);
  link.cut();
  link.mend();
}

async function brokenAndGoneOn() {
  const { size } = statSync(video);
  const half = link.allow(size / 2);
  await at('media-files').setInputFiles(video);
  await half;
  await underWay(0.1);
  await breaks();
  seen.broken = await tidy(upload('waiting').getByTestId('upload-state'));
  await look('broken');
  const before = link.sent();
  link.mend();
  const quarter = link.allow(size / 4);
  await at('upload-retry').click();
  await quarter;
  await upload('sending').waitFor();
  // The page is closed meanwhile; the same file, chosen again, goes on where it was.
  await breaks();
  link.mend();
  await page.reload();
  await at('media-files').setInputFiles(video);
  await media('running').or(media('waiting')).first().waitFor();
  // Half of it had arrived when the link broke first.
  seen.resent = (link.sent() - before) / size;
}

/** The link breaks, and the page has heard of it. */
async function breaks() {
  const before = errors.length;
  link.cut();
  await upload('waiting').waitFor();
  const others = errors.splice(before).filter((error) => !/net::ERR_/.test(error));
  errors.push(...others);
}

async function underWay(share) {
  await page.waitForFunction((share) => {
    const bar = document.querySelector('[data-testid="upload-progress"]');
    return Number(bar?.getAttribute('data-share')) > share;
  }, share);
}

async function converted() {
  await page.waitForFunction(() => {
    const bar = document.querySelector('[data-testid="media-progress"]');
    return Number(bar?.getAttribute('data-share')) > 0;
  });
  await look('converting');
  await page.reload();
  await media('running').or(media('shown')).first().waitFor();
  seen.afterReload = await media('running').or(media('shown')).first().getAttribute('data-state');
  seen.explained = await tidy(page.getByTestId('media'));
  await media('shown').waitFor();
  seen.told = await tidy(at('media-told'));
  await page.waitForFunction(() => document.querySelector('[data-testid="media"] video'));
  await page.evaluate(() => document.querySelector('video').play());
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.2);
  await page.evaluate(() => document.querySelector('video').pause());
  await look('shown');
  await at('media-remove').click();
  await at('stop-yes').click();
  await page.getByTestId('media').waitFor({ state: 'detached' });
  seen.removed = await tidy(at('media-told'));
}

async function failing() {
  await at('media-files').setInputFiles(video);
  await media('failed').waitFor();
  seen.failed = await tidy(at('media-trouble'));
  await page.reload();
  await media('failed').waitFor();
  seen.afterReload = await tidy(at('media-trouble'));
  await look('failed');
}

async function tidy(locator) {
  await locator.first().waitFor({ state: 'attached' });
  return ((await locator.first().textContent()) ?? '').replace(/\s+/g, ' ').trim();
}
