// Watches a live in the page of somebody else.
//
//   node embed.mjs <base URL> <folder for pictures> <path of the watch page> <what oEmbed gave>
//
// Prints one JSON line {seen, errors}:
//   moves    how far the picture went in two seconds of waiting, in seconds
//   way      {text, href}: where the line below leads
//   header   how many headers of the site are in the frame
//   sideways how far the frame's page sticks out of it
//   refused  whether the whole page stays out of a frame of somebody else

import { createServer } from 'node:http';
import { join } from 'node:path';
import { openPage } from './browser.mjs';

const STEP_MS = 40_000;
const [base, folder, path, html] = process.argv.slice(2);
const errors = [];
const { browser, page } = await openPage({ width: 900, height: 640, errors });
page.setDefaultTimeout(STEP_MS);

// Another origin: chosen by the system, on this machine, as browsers let only such pages in here.
let body = '';
const blog = createServer((_, answer) => {
  answer.setHeader('content-type', 'text/html; charset=utf-8');
  answer.end(`<!doctype html><title>Ailleurs</title><h1>Un blog</h1>${body}`);
});
await new Promise((ready) => blog.listen(0, '127.0.0.1', ready));

async function elsewhere(html) {
  body = html;
  await page.goto(`http://127.0.0.1:${blog.address().port}/`);
}

try {
  await elsewhere(html);
  const frame = page.frameLocator('iframe');
  await frame.locator('[data-testid="player"][data-state="playing"]').waitFor();
  const time = () => frame.locator('video').evaluate((video) => video.currentTime);
  const before = await time();
  await frame.locator('video').evaluate(
    (video, from) =>
      new Promise((gone) => {
        const look = () => (video.currentTime > from + 1 ? gone() : requestAnimationFrame(look));
        look();
      }),
    before,
  );
  const way = frame.getByTestId('way');
  const seen = {
    moves: (await time()) - before,
    way: { text: (await way.innerText()).trim(), href: await way.getAttribute('href') },
    header: await frame.locator('header').count(),
    sideways: await frame
      .locator('html')
      .evaluate((it) => [it.scrollWidth - it.clientWidth, it.scrollHeight - it.clientHeight]),
  };
  await page.screenshot({ path: join(folder, 'embed.png') });
  const silent = errors.length;
  await elsewhere(`<iframe src="${base}${path}"></iframe>`);
  const [, framed] = page.frames();
  seen.refused = (await framed.locator('#app').count()) === 0;
  errors.length = silent;
  console.log(JSON.stringify({ seen, errors }));
} catch (error) {
  console.error(String(error.stack ?? error), errors);
  process.exitCode = 1;
} finally {
  await browser.close();
  blog.close();
}
