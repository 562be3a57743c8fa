// The page of the API, as a developer opens it.
//
//   node docs.mjs <page URL>
//
// Prints one JSON line {operations, titles, elsewhere, errors}: how many operations are shown, the name
// of the API, addresses asked of other hosts, and what the console had to say, refusals of the content
// security policy included.

import { openPage } from './browser.mjs';

const SHOWN_MS = 50_000;

const [url] = process.argv.slice(2);
const errors = [];
const elsewhere = [];
const { browser, page } = await openPage({ errors });
page.on('request', (request) => {
  const { protocol, host } = new URL(request.url());
  if (protocol.startsWith('http') && host !== new URL(url).host) elsewhere.push(request.url());
});
try {
  await page.goto(url, { timeout: SHOWN_MS });
  await page.waitForSelector('.opblock-tag-section', { timeout: SHOWN_MS });
  // Each subject opens at a click, and shows its operations.
  for (const subject of await page.locator('h3.opblock-tag').all()) await subject.click();
  await page.waitForFunction(
    () => document.querySelectorAll('.opblock-tag-section:not(.is-open)').length === 0,
    null,
    { timeout: SHOWN_MS },
  );
  const operations = await page.locator('.opblock').count();
  const title = await page.locator('.info .title').first().innerText();
  await page.locator('.opblock-summary-control').first().click();
  await page.waitForSelector('.opblock-body', { timeout: SHOWN_MS });
  console.log(JSON.stringify({ operations, title, elsewhere, errors }));
} catch (error) {
  console.error(String(error.stack ?? error), errors);
  process.exitCode = 1;
} finally {
  await browser.close();
}
