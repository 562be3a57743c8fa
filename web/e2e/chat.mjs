// Two people beside a live: its author at a desk, on the page of his live, and a viewer with a telephone,
// over a link that breaks.
//
//   node chat.mjs <base URL> <folder for pictures> <path of the watch page> <address of the author>
//
// Prints one JSON line, once all is done: what each of them saw, step by step (`seen`), what of the chat
// is reached and left by keyboard (`keys`), what a screen reader is told (`spoken`), what sticks out of
// the pages (`wide`), and what their consoles had to say (`errors`).

import { looks, openPage, openPerson, unforeseen } from './browser.mjs';
import { openLink } from './link.mjs';
import { signIn, signUp } from './people.mjs';

const STEP_MS = 30_000;

const [base, folder, path, email] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const link = await openLink(base);
const { browser, page: desk } = await openPage({ width: 1440, height: 900, errors });
const { page: phone } = await openPerson(browser, { width: 360, height: 640, errors });
for (const page of [desk, phone]) page.setDefaultTimeout(STEP_MS);

const seen = {};
const wide = [];
try {
  await signIn(desk, base, email);
  await desk.goto(`${base}/direct`);
  await signUp(phone, link.base, { first: 'Binta', last: 'Baldé' });
  await phone.goto(link.base + path);
  await phone.locator('[data-testid="player"][data-state="playing"]').waitFor();
  await connected(desk);
  await connected(phone);

  await say(phone, 'Bonjour à tous');
  await message(desk, 'Bonjour à tous').waitFor();
  seen.spoken = {
    // Read out to the one, not to who wrote it.
    author: await tidy(desk.getByTestId('chat-spoken')),
    viewer: await tidy(phone.getByTestId('chat-spoken')),
  };

  await open(desk, 'Bonjour à tous');
  await desk.getByTestId('chat-reply').click();
  await desk.getByTestId('chat-answering').waitFor();
  wide.push(...(await looks(desk, folder, 'author-answers')));
  await desk.keyboard.type('Merci Binta');
  await desk.keyboard.press('Enter');
  seen.reply = await tidy(message(phone, 'Merci Binta').locator('.quote'));

  await open(phone, 'Merci Binta');
  wide.push(...(await looks(phone, folder, 'viewer-actions')));
  await phone.getByTestId('chat-react').first().click();
  const tally = message(desk, 'Merci Binta').getByTestId('chat-tally');
  await tally.waitFor();
  seen.reacted = await tally.getAttribute('aria-label');
  await tally.click();
  seen.both = await becomes(desk, 'Merci Binta', '2 personnes');
  await tally.click();
  seen.tookBack = await becomes(desk, 'Merci Binta', '1 personne');

  await desk.getByTestId('chat-pace').selectOption('60');
  seen.slow = await note(phone, 'toutes les');
  await phone.locator('[data-testid="chat-send"][aria-disabled="true"][aria-label]').waitFor();
  seen.slowed = await phone.getByTestId('chat-send').getAttribute('aria-label');
  wide.push(...(await looks(phone, folder, 'viewer-slow')));
  await desk.getByTestId('chat-pace').selectOption('0');
  await phone.getByTestId('chat-note').filter({ hasText: /^\s*$/ }).waitFor({ state: 'attached' });
  await say(phone, 'Plus vite');
  await message(desk, 'Plus vite').waitFor();

  const foreseen = errors.length;
  link.cut();
  seen.lost = await note(phone, 'perdue');
  wide.push(...(await looks(phone, folder, 'viewer-lost')));
  await say(desk, 'Dit pendant la coupure');
  await phone.getByTestId('chat-words').fill('Écrit pendant la coupure');
  await phone.keyboard.press('Enter');
  link.mend();
  await connected(phone);
  await message(phone, 'Dit pendant la coupure').waitFor();
  seen.kept = await phone.getByTestId('chat-words').inputValue();
  await phone.getByTestId('chat-words').press('Enter');
  await message(desk, 'Écrit pendant la coupure').waitFor();
  seen.twice = await duplicates(phone);
  const broken = /net::ERR_|WebSocket connection to/;
  const during = errors.splice(foreseen).filter((error) => !broken.test(error));
  errors.push(...during);

  seen.keys = await byKeyboard(phone);

  await open(desk, 'Bonjour à tous');
  await desk.getByTestId('chat-remove').click();
  await message(phone, 'Bonjour à tous').waitFor({ state: 'detached' });
  seen.removed = await tidy(desk.getByTestId('chat-told'));
  seen.orphan = await tidy(message(phone, 'Merci Binta').locator('.quote'));

  await open(desk, 'Plus vite');
  await desk.getByTestId('chat-ban').click();
  seen.banned = await note(phone, 'Vous ne pouvez plus');
  seen.silenced = (await phone.getByTestId('chat-words').count()) === 0;
  wide.push(...(await looks(phone, folder, 'viewer-banned')));
  wide.push(...(await looks(desk, folder, 'author-banned')));
  await open(desk, 'Plus vite');
  await desk.getByTestId('chat-ban').click();
  await phone.getByTestId('chat-words').waitFor();
  await say(phone, 'Me revoilà');
  await message(desk, 'Me revoilà').waitFor();

  await desk.getByTestId('stop').click();
  await desk.getByTestId('stop-yes').click();
  seen.over = await note(phone, 'terminé');
  console.log(JSON.stringify({ seen, wide, errors: unforeseen(errors) }));
} catch (error) {
  await Promise.all(
    [desk, phone].map((page, n) => page.screenshot({ path: `${folder}/failed-${n}.png` })),
  ).catch(() => {});
  console.error(
    [String(error.stack ?? error), `seen: ${JSON.stringify(seen)}`, ...errors].join('\n'),
  );
  process.exitCode = 1;
} finally {
  await browser.close();
  link.close();
}

function message(page, words) {
  return page
    .getByTestId('chat-message')
    .filter({ has: page.locator('.words', { hasText: words }) });
}

function connected(page) {
  return page.locator('[data-testid="chat"][data-state="connected"]').waitFor();
}

async function say(page, words) {
  await page.getByTestId('chat-words').fill(words);
  await page.getByTestId('chat-words').press('Enter');
}

/** Shows what can be done to a message. */
async function open(page, words) {
  await message(page, words).getByTestId('chat-more').click();
}

async function note(page, words) {
  const line = page.getByTestId('chat-note').filter({ hasText: words });
  await line.waitFor();
  return tidy(line);
}

async function becomes(page, words, label) {
  const tally = message(page, words).locator(`[data-testid="chat-tally"][aria-label*="${label}"]`);
  await tally.waitFor();
  return {
    label: await tally.getAttribute('aria-label'),
    own: await tally.getAttribute('aria-pressed'),
  };
}

async function tidy(locator) {
  return ((await locator.textContent()) ?? '').replace(/\s+/g, ' ').trim();
}

async function duplicates(page) {
  const ids = await page
    .getByTestId('chat-message')
    .evaluateAll((all) => all.map((it) => it.getAttribute('data-id')));
  return ids.length - new Set(ids).size;
}

/** From the words back to the last message, its actions opened and left, and an answer given up. */
async function byKeyboard(page) {
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('data-testid') ?? null);
  const steps = [];
  await page.getByTestId('chat-words').focus();
  await page.keyboard.press('Shift+Tab');
  steps.push(await focused());
  await page.keyboard.press('Enter');
  await page.getByTestId('chat-reply').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('chat-reply').waitFor({ state: 'detached' });
  steps.push(await focused());
  await page.keyboard.press('Enter');
  await page.getByTestId('chat-reply').focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('chat-answering').waitFor();
  steps.push(await focused());
  await page.keyboard.press('Escape');
  await page.getByTestId('chat-answering').waitFor({ state: 'detached' });
  steps.push(await focused());
  return steps;
}
