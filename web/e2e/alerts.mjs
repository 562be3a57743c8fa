// The switch for alerts, and what the service worker makes of what is pushed.
//
//   node alerts.mjs <base URL> <folder for pictures>
//
// Prints one JSON line:
//   refused    what the page says where the browser allows no notifications
//   allowed    {on, said}: what became of the switch where it does. Debian's Chromium has no push service:
//              its member must be told, and be able to go on
//   shown      the notifications that are there after messages were pushed, by the browser's own tools:
//              [{title, body, tag, url}]
//   opened     where a press on the first of them leads
//   wide       what sticks out of the page
//   errors     what the console had to say

import { looks, openProfile, unforeseen } from './browser.mjs';
import { signUp } from './people.mjs';

const STEP_MS = 20_000;
/** A browser that has no push service may think about it first. */
const ANSWER_MS = 40_000;

const [base, folder] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const { context, page } = await openProfile({ errors });
page.setDefaultTimeout(STEP_MS);
const at = (id) => page.getByTestId(id);

try {
  await signUp(page, base);
  await at('account').click();
  const wide = await looks(page, folder, 'menu');
  const cdp = await context.newCDPSession(page);
  const permission = { name: 'notifications' };
  await cdp.send('Browser.setPermission', { origin: base, permission, setting: 'denied' });
  const refused = (await toggled()).said;
  await context.grantPermissions(['notifications'], { origin: base });
  await page.reload();
  await at('account').click();
  const allowed = await toggled();
  wide.push(...(await looks(page, folder, 'alerts-answered')));
  const push = await pusher(cdp);
  const url = '/live/k3nw0d';
  const live = { message: 'Madina', url, tag: 'live-1' };
  await push(JSON.stringify({ ...live, title: 'Fatou a démarré' }));
  // What comes later under the same tag takes its place.
  await push(JSON.stringify({ ...live, title: 'Fatou a fini' }));
  await push('not what a server of ours sends');
  const shown = await notifications();
  const opened = await pressed();
  console.log(
    JSON.stringify({
      refused,
      allowed,
      shown,
      opened,
      wide,
      errors: unforeseen(errors),
    }),
  );
} catch (error) {
  console.error([String(error.stack ?? error), ...errors].join('\n'));
  process.exitCode = 1;
} finally {
  await context.close();
}

/** Presses the switch, and waits for what comes of it. */
async function toggled() {
  await at('alerts').click();
  await page.waitForFunction(
    () => {
      const box = document.querySelector('[data-testid="alerts"]');
      return !box.disabled && (box.checked || document.querySelector('.menu [role="alert"]'));
    },
    null,
    { timeout: ANSWER_MS },
  );
  const trouble = page.locator('.menu [role="alert"]');
  const on = await at('alerts').isChecked();
  return { on, said: on ? null : (await trouble.innerText()).trim() };
}

/** A way to push to the service worker, as a push service would: done once it has shown something. */
async function pusher(cdp) {
  const registered = new Promise((found) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const ours = registrations.find((it) => it.scopeURL === `${base}/` && !it.isDeleted);
      if (ours) found(ours.registrationId);
    });
  });
  await cdp.send('ServiceWorker.enable');
  const registrationId = await registered;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  const worker = await serviceWorker();
  await worker.evaluate(() => {
    const show = self.registration.showNotification.bind(self.registration);
    self.registration.showNotification = async (...what) => {
      await show(...what);
      self.shown?.();
    };
  });
  return async (data) => {
    const shown = worker.evaluate(() => new Promise((done) => (self.shown = done)));
    await cdp.send('ServiceWorker.deliverPushMessage', { origin: base, registrationId, data });
    await shown;
  };
}

async function serviceWorker() {
  return context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
}

/** The notifications there are. Asked once: asking while one comes takes it away from Chromium's list. */
function notifications() {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    const all = await registration.getNotifications();
    return all.map(({ title, body, tag, data }) => ({ title, body, tag, url: data?.url }));
  });
}

/** Presses the first notification; the browser lets only people open windows, so it is asked where to. */
async function pressed() {
  const worker = await serviceWorker();
  return worker.evaluate(async () => {
    const opened = [];
    self.clients.openWindow = async (url) => opened.push(url);
    const all = await self.registration.getNotifications();
    const notification = all.find(({ tag }) => tag === 'live-1');
    const done = [];
    const press = new self.NotificationEvent('notificationclick', { notification });
    press.waitUntil = (work) => done.push(work);
    self.dispatchEvent(press);
    await Promise.all(done);
    return opened[0] ?? null;
  });
}
