// A new member's first broadcast, through the pages alone: registers, goes live, shows the key.
//
//   node journey.mjs <base URL> [public|quartier]
//
// The second argument says whom the live is for.
//
// Prints one JSON line {server, key, url, watch_url, email, password}, then obeys lines on stdin:
//   shot <path>   takes a screenshot of the whole page, answers {"shot": path, "state": ...}
//   state         answers {"state", "incoming": {...}, "player", "viewers"} as the page shows them
//   watch         opens the page of the viewers, still signed in, answers likewise
//   stop          ends the live through the page, answers {"state"}
//   quit          leaves
// Errors go to stderr; the exit code is 1 when the journey could not be made.

import { createInterface } from 'node:readline';
import { openPage } from './browser.mjs';
import { signUp } from './people.mjs';

const STEP_MS = 20_000;

const base = process.argv[2]?.replace(/\/$/, '');
const audience = process.argv[3] ?? 'public';
if (!base) {
  console.error('usage: node journey.mjs <base URL> [public|quartier]');
  process.exit(2);
}

const { browser, page } = await openPage();
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);
const say = (value) => console.log(JSON.stringify(value));

try {
  const member = await signUp(page, base);
  const live = await goLive();
  say({ ...live, ...member });
  await obey(live.watch_url);
} catch (error) {
  console.error(String(error.stack ?? error));
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function goLive() {
  await at('nav-go-live').click();
  await at('field-title').fill('Réunion du quartier');
  await at('field-description').fill('Point sur l’eau et l’électricité.');
  await at(`audience-${audience}`).check();
  await at('submit-go-live').click();
  await at('connect').waitFor();
  await at('tab-obs').click();
  const server = await at('value-server').innerText();
  await at('reveal-key').click();
  const key = await at('value-key').innerText();
  await at('reveal-key').click();
  await at('tab-phone').click();
  await at('reveal-url').click();
  const url = await at('value-url').innerText();
  await at('tab-obs').click();
  const watch_url = await at('watch-link').innerText();
  return { server, key, url, watch_url };
}

async function obey(watchUrl) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...rest] = line.trim().split(' ');
    if (command === 'quit') return;
    if (command === 'shot') {
      const path = rest.join(' ');
      await page.screenshot({ path, fullPage: true });
      say({ shot: path, ...(await shown()) });
    } else if (command === 'state') {
      say(await shown());
    } else if (command === 'watch') {
      await page.goto(watchUrl);
      await at('player').waitFor();
      say(await shown());
    } else if (command === 'stop') {
      await at('stop').click();
      await at('stop-yes').click();
      await page.locator('[data-testid="own-live"][data-state="ended"]').waitFor();
      say(await shown());
    }
  }
}

function shown() {
  return page.evaluate(() => {
    const cells = document.querySelectorAll('[data-testid^="incoming-"]');
    const one = (id) => document.querySelector(`[data-testid="${id}"]`);
    return {
      state: one('own-live')?.getAttribute('data-state') ?? null,
      player: one('player')?.getAttribute('data-state') ?? null,
      viewers: one('viewers')?.textContent?.trim() ?? null,
      incoming: Object.fromEntries(
        [...cells].map((cell) => [
          cell.getAttribute('data-testid')?.replace('incoming-', ''),
          cell.textContent?.trim(),
        ]),
      ),
    };
  });
}
