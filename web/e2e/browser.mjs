// The browser the scripts of this folder drive: Debian's own Chromium, in a profile of its own.

import { join } from 'node:path';
import { chromium } from 'playwright-core';

const OPTIONS = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

/** Opens a browser with one page the size of a telephone's or a desk's screen. */
export async function openPage({ width = 1280, height = 800, errors = [] } = {}) {
  const browser = await chromium.launch(OPTIONS);
  return { browser, ...(await openPerson(browser, { width, height, errors })) };
}

/** The same with a profile that is kept while it runs: a private window is told nothing by push. */
export async function openProfile({ width = 1280, height = 800, errors = [] } = {}) {
  const viewport = { width, height };
  const context = await chromium.launchPersistentContext('', {
    ...OPTIONS,
    viewport,
    locale: 'fr-FR',
  });
  return { context, page: listened(context.pages()[0] ?? (await context.newPage()), errors) };
}

/** One more person at that browser, who shares nothing with the others. */
export async function openPerson(browser, { width = 1280, height = 800, errors = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: 'fr-FR' });
  return { context, page: listened(await context.newPage(), errors) };
}

/** The page, whose complaints are kept. */
function listened(page, errors) {
  page.on('pageerror', (error) => errors.push(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    errors.push(`console: ${message.text()} ${message.location().url}`.trim());
  });
  return page;
}

/** What the console said, less the answers of the API that a test has asked for. */
export const unforeseen = (errors) =>
  errors.filter((error) => !/Failed to load resource: .* http[^ ]*\/api\//.test(error));

const LOOKS = [
  [360, 640],
  [1440, 900],
].flatMap(([width, height]) => ['light', 'dark'].map((scheme) => ({ width, height, scheme })));

/**
 * Takes pictures of the page as a telephone and a desk show it, by day and by night, and says what
 * sticks out of it at the side.
 */
export async function looks(page, folder, name) {
  const before = page.viewportSize();
  const wide = [];
  for (const { width, height, scheme } of LOOKS) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    const path = join(folder, `${name}-${width}-${scheme}.png`);
    await page.screenshot({ path, fullPage: true });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (overflow > 0) wide.push(`${name} at ${width}: ${overflow} px too wide`);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(before);
  return wide;
}

/**
 * Does what `story` tells and prints what was seen, what sticks out of the page and what the console had to
 * say; when it breaks off, how far it came, with a picture of the page.
 */
export async function play(page, folder, { seen, wide, errors }, story) {
  try {
    await story();
    console.log(JSON.stringify({ seen, wide, errors: unforeseen(errors) }));
  } catch (error) {
    await page.screenshot({ path: join(folder, 'failed.png') }).catch(() => {});
    console.error(
      [String(error.stack ?? error), `seen: ${JSON.stringify(seen)}`, ...errors].join('\n'),
    );
    process.exitCode = 1;
  }
}
