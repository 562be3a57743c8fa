// An admin looks at what waits: two files, of which he takes one, and two reports.
//
//   node moderation.mjs <base URL> <folder for pictures> <address of the admin> <address of a member>
//
// Prints one JSON line: what was seen (`seen`), what sticks out of the page (`wide`), and what the console
// had to say (`errors`).

import { looks, openPage, openPerson, play } from './browser.mjs';
import { signIn } from './people.mjs';

const STEP_MS = 30_000;
const REASON = 'On y voit le visage d’un enfant.';

const [base, folder, admin, other] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const { browser, page } = await openPage({ width: 1440, height: 900, errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);

const seen = {};
const wide = [];
const look = async (name) => wide.push(...(await looks(page, folder, name)));
await play(page, folder, { seen, wide, errors }, async () => {
  seen.member = await asMember();
  await signIn(page, base, admin);
  await at('account').click();
  await at('nav-moderation').click();
  await at('moderation-count').waitFor();
  seen.count = await tidy(at('moderation-count'));
  seen.first = await tidy(at('queued').first());
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  await look('queue');
  await at('language').click();
  seen.english = await tidy(page.locator('main h1'));
  await look('queue-english');
  await at('language').click();

  await at('approve').first().click();
  seen.approved = await told('accepté');
  seen.next = await page.evaluate(() => document.activeElement?.textContent?.trim());
  await at('reject-open').click();
  await page.waitForFunction(() => document.activeElement?.tagName === 'TEXTAREA');
  await at('reject').click();
  seen.missing = await tidy(page.locator('.reject [role="alert"]'));
  await look('rejecting');
  await at('reject-reason').fill(REASON);
  await at('reject').click();
  seen.rejected = await told('refusé');
  await at('moderation-empty').waitFor();
  await at('moderation-state').selectOption('rejected');
  seen.why = await tidy(at('queued').first());

  await at('tab-media').focus();
  await page.keyboard.press('ArrowRight');
  await at('report').first().waitFor();
  await page.waitForFunction(
    () => document.querySelectorAll('.report [role="status"] svg').length === 0,
  );
  seen.reports = await Promise.all((await at('report').all()).map(tidy));
  await look('reports');
  while ((await at('report').count()) > 0) {
    const left = await at('report').count();
    await at('report-close').first().click();
    await page.waitForFunction(
      (left) => document.querySelectorAll('[data-testid="report"]').length < left,
      left,
    );
  }
  seen.closed = await told('classé');
  await at('moderation-empty').waitFor();
  await look('nothing');
});
await browser.close();

/** What one sees there who is no admin. */
async function asMember() {
  const { context, page } = await openPerson(browser, { errors });
  page.setDefaultTimeout(STEP_MS);
  await signIn(page, base, other);
  const linked = await page.getByTestId('nav-moderation').count();
  await page.goto(`${base}/moderation`);
  const said = await tidy(page.getByTestId('moderation-trouble'));
  await context.close();
  return { linked, said };
}

async function told(words) {
  const line = at('moderation-told').filter({ hasText: words });
  await line.waitFor({ state: 'attached' });
  return tidy(line);
}

async function tidy(locator) {
  return ((await locator.textContent()) ?? '').replace(/\s+/g, ' ').trim();
}
