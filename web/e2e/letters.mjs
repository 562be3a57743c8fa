// Where the links of e-mails lead, opened as their reader does.
//
//   node letters.mjs <base URL> <folder for pictures>
//
// Prints one JSON line {ready}, then obeys lines on stdin, each answered by one JSON line:
//   register <address>            a new member, signed in: {address}
//   open <link>                   {title, text, address}: what the page says, and the address bar
//   ask <address>                 asks for a new password: {said}
//   choose <password> <again>     sends the form by Enter: {said, errors, focused}
//   sign-in <address> <password>  {signed_in, error}
//   look <name>                   takes pictures of the page: {wide}
//   quit                          {errors}: what the console had to say, and leaves

import { createInterface } from 'node:readline';
import { looks, openPage, unforeseen } from './browser.mjs';
import { signUp } from './people.mjs';

const STEP_MS = 20_000;

const [base, folder] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const { browser, context, page } = await openPage({ errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);
const say = (value) => console.log(JSON.stringify(value));
const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();

const commands = {
  async register(email) {
    await signUp(page, base, { email });
    return { address: email };
  },
  async open(link) {
    // A link from a mail opens where nobody has to be signed in.
    await context.clearCookies();
    await page.evaluate(() => localStorage.clear());
    await page.goto(link);
    // Also where only the secret changes, and the page is not loaded again.
    await page.waitForFunction(() => location.hash === '');
    await page.locator('main h1').waitFor();
    await page.locator('main [aria-busy="true"]').waitFor({ state: 'detached' });
    return {
      title: await text(page.locator('main h1')),
      text: await text(page.locator('main')),
      address: page.url(),
    };
  },
  async ask(email) {
    await page.goto(`${base}/connexion`);
    await page.locator('a[href="/mot-de-passe"]').click();
    await at('field-email').fill(email);
    await page.keyboard.press('Enter');
    return { said: await text(at('password-done')) };
  },
  async choose(password, again) {
    await at('field-password').fill(password);
    await at('field-password_confirm').fill(again);
    await page.keyboard.press('Enter');
    const done = at('password-done');
    await done
      .or(page.locator('[data-testid^="error-"], [data-testid="form-error"]'))
      .first()
      .waitFor();
    const wrong = await page.locator('[data-testid^="error-"], [data-testid="form-error"]').all();
    return {
      said: (await done.isVisible()) ? await text(done) : null,
      errors: await Promise.all(wrong.map(text)),
      focused: await page.evaluate(
        () => document.activeElement?.getAttribute('data-testid') ?? null,
      ),
    };
  },
  async 'sign-in'(email, password) {
    await page.goto(`${base}/connexion`);
    await at('field-email').fill(email);
    await at('field-password').fill(password);
    await page.keyboard.press('Enter');
    await at('account').or(at('form-error')).waitFor();
    const signed_in = await at('account').isVisible();
    return { signed_in, error: signed_in ? null : await text(at('form-error')) };
  },
  look: async (name) => ({ wide: await looks(page, folder, name) }),
};

try {
  await page.goto(`${base}/`);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...rest] = line.trim().split(' ');
    if (command === 'quit') break;
    say(await commands[command](...rest));
  }
  say({ errors: unforeseen(errors) });
} catch (error) {
  console.error([String(error.stack ?? error), ...errors].join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
