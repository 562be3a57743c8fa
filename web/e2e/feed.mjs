// Two members of one commune: one writes, with pictures, over a link that is slow at first; the other
// reads, likes, comments and passes on; the first hears of it and answers.
//
//   node feed.mjs <base URL> <folder for pictures>
//
// Prints one JSON line of what was seen for each of its chapters; then what sticks out of the pages
// (`wide`), what a check of accessibility finds (`barriers`), and what the console had to say (`errors`).

import { join } from 'node:path';
import { violations } from './axe.mjs';
import { looks, openPage, openPerson, unforeseen } from './browser.mjs';
import { PASSWORD, signUp } from './people.mjs';

const STEP_MS = 30_000;
/** Bytes a second that a weak link carries upwards. */
const SLOW = 60_000;
/** Two pages of posts, and some. */
const POSTS = 24;

const [base, folder] = process.argv.slice(2).map((it) => it.replace(/\/$/, ''));
const errors = [];
const wide = [];
const barriers = [];
const { browser, page: author } = await openPage({ width: 360, height: 640, errors });
const { page: reader } = await openPerson(browser, { width: 1280, height: 800, errors });
for (const page of [author, reader]) page.setDefaultTimeout(STEP_MS);
const of = (page) => (id) => page.getByTestId(id);
const [write, read] = [of(author), of(reader)];

async function look(page, name) {
  wide.push(...(await looks(page, folder, name)));
  barriers.push(...(await violations(page, name)));
}
async function tidy(locator) {
  await locator.first().waitFor({ state: 'attached' });
  return ((await locator.first().textContent()) ?? '').replace(/\s+/g, ' ').trim();
}
async function told(locator, words) {
  const line = locator.filter({ hasText: words });
  await line.first().waitFor({ state: 'attached' });
  return tidy(line);
}

const say = (value) => console.log(JSON.stringify(value));
try {
  for (const chapter of [begins, writes, reads, hears, manyPosts, profiles]) say(await chapter());
  say({ wide, barriers, errors: unforeseen(errors) });
} catch (error) {
  const shots = [author, reader].map((page, n) =>
    page.screenshot({ path: join(folder, `failed-${n}.png`) }).catch(() => {}),
  );
  await Promise.all(shots);
  console.error([String(error.stack ?? error), ...errors].join('\n'));
  process.exitCode = 1;
}
await browser.close();

/** Where nobody has written yet. */
async function begins() {
  await signUp(author, base);
  await signUp(reader, base, { first: 'Mamadou', last: 'Bah' });
  await write('feed-empty').waitFor();
  await look(author, 'empty');
  return { empty: await tidy(write('feed-empty')) };
}

/** A post with three pictures that are dropped on the page. */
async function writes() {
  const seen = {};
  await write('bar-publish').click();
  await write('publish-text').fill('Le marché de Kipé est ouvert !');
  await write('type-event').check({ force: true });
  await write('draft-drop').waitFor();
  await author.reload();
  await write('publish-text').waitFor();
  seen.draft = {
    text: await write('publish-text').inputValue(),
    type: await write('type-event').isChecked(),
  };
  const sizes = [];
  author.on('request', (request) => {
    if (request.method() !== 'POST' || !request.url().endsWith('/api/uploads/')) return;
    sizes.push(Number(request.headers()['upload-length']));
  });
  const network = await author.context().newCDPSession(author);
  const slow = (uploadThroughput) =>
    network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await network.send('Network.enable');
  await slow(SLOW);
  const brought = await drop(3);
  await author.waitForFunction(() =>
    [...document.querySelectorAll('[data-testid="attachment-progress"]')].some((bar) => {
      const share = Number(bar.dataset.share);
      return share > 0.02 && share < 0.95;
    }),
  );
  seen.progress = await tidy(
    author
      .locator('[data-state="sending"]')
      .getByTestId('attachment-state')
      .filter({ hasText: '%' }),
  );
  seen.dropped = await write('attachment').count();
  await look(author, 'publish-sending');
  await write('attachment-later').first().click();
  seen.moved = await tidy(write('publish-told'));
  await write('publish-submit').click();
  seen.waits = await told(write('publish-submit'), 'Envoi des fichiers');
  await slow(-1);
  await write('post').first().waitFor();
  seen.published = await tidy(write('post').first());
  seen.pictures = await write('post').first().getByTestId('post-picture').count();
  seen.smaller = sizes.length === 3 && sizes.every((size) => size < brought / 3 / 2);
  seen.drafts = await author.evaluate(
    () => Object.keys(localStorage).filter((key) => key.startsWith('cc.draft')).length,
  );
  return seen;
}

/** Drops pictures as a camera takes them on the page; how many bytes they are. */
async function drop(count) {
  const transfer = await author.evaluateHandle(async (count) => {
    const transfer = new DataTransfer();
    for (let n = 0; n < count; n += 1) {
      const canvas = Object.assign(document.createElement('canvas'), {
        width: 2400,
        height: 1800,
      });
      const context = canvas.getContext('2d');
      const noise = context.createImageData(2400, 1800);
      for (let at = 0; at < noise.data.length; at += 4) {
        noise.data[at + n] = (at / 40_000) & 255;
        noise.data[at + ((n + 1) % 3)] = 90 + Math.random() * 60;
        noise.data[at + 3] = 255;
      }
      context.putImageData(noise, 0, 0);
      const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.97));
      transfer.items.add(new File([blob], `photo-${n + 1}.jpg`, { type: 'image/jpeg' }));
    }
    return transfer;
  }, count);
  await author.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
  await write('drop-here').waitFor();
  await author.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await write('drop-here').waitFor({ state: 'detached' });
  return transfer.evaluate(({ files }) => [...files].reduce((all, { size }) => all + size, 0));
}

/** The other finds the post, and does with it what one does. */
async function reads() {
  const seen = {};
  await reader.goto(`${base}/`);
  const post = read('post').first();
  await post.waitFor();
  seen.found = await tidy(post);
  await reader.waitForFunction(() =>
    [...document.querySelectorAll('[data-testid="post-picture"] img')].every(
      (it) => it.complete && it.naturalWidth > 0,
    ),
  );
  await look(reader, 'feed');

  await post.getByTestId('post-picture').nth(1).click();
  await read('lightbox').waitFor();
  seen.large = await tidy(read('lightbox'));
  barriers.push(...(await violations(reader, 'lightbox')));
  await reader.keyboard.press('Escape');
  await read('lightbox').waitFor({ state: 'detached' });
  seen.focusBack = await reader.evaluate(() => document.activeElement?.dataset.testid);

  // What does not get through is taken back, with a word.
  await reader.route('**/like/', (route) => route.abort());
  const before = errors.length;
  await post.getByTestId('post-like').click();
  seen.refused = await tidy(post.getByTestId('post-trouble'));
  seen.takenBack = await post.getByTestId('post-like').getAttribute('aria-pressed');
  await reader.unroute('**/like/');
  errors.push(...errors.splice(before).filter((error) => !/net::ERR_/.test(error)));
  await post.getByTestId('post-like').focus();
  await reader.keyboard.press('Enter');
  seen.liked = await told(post.getByTestId('post-told'), 'Vous aimez');
  seen.pressed = await post.getByTestId('post-like').getAttribute('aria-pressed');

  await post.getByTestId('post-comment').click();
  await reader.waitForFunction(() => document.activeElement?.dataset.testid === 'comment-words');
  await reader.keyboard.type('Bravo, on y sera demain.');
  await reader.keyboard.press('Control+Enter');
  await told(post.getByTestId('comments-told'), 'envoyé');
  seen.commented = await tidy(post.getByTestId('comment').first());

  await post.getByTestId('post-share').click();
  await read('share-inside').click();
  seen.shared = await tidy(read('share-done'));
  const places = ['whatsapp', 'facebook', 'telegram', 'twitter', 'email'];
  seen.links = await Promise.all(
    places.map((place) => read(`share-${place}`).getAttribute('href')),
  );
  await look(reader, 'share');
  await reader.keyboard.press('Escape');
  await read('share-modal').waitFor({ state: 'detached' });
  seen.counts = await tidy(post.getByTestId('post-counts'));

  await post.getByTestId('post-menu').click();
  await post.getByTestId('post-report').click();
  await read('field-reason').fill('Juste pour voir.');
  await look(reader, 'report');
  await read('submit-report-post').click();
  seen.reported = await tidy(read('report-done'));
  await read('modal-close').click();
  return seen;
}

/** The first is told while the page is open, and answers from there. */
async function hears() {
  const seen = {};
  await author.waitForFunction(() =>
    /[1-9]/.test(document.querySelector('nav [data-testid="bar-news"]').textContent),
  );
  seen.heard = await tidy(write('news-told'));
  await write('bar-news').click();
  await write('notification').nth(2).waitFor();
  seen.news = await Promise.all((await write('notification').all()).map(tidy));
  await write('news-settings').click();
  await write('prefer-likes_notifications').uncheck();
  seen.preferred = await told(write('preferences-told'), 'enregistré');
  await look(author, 'news');
  await write('news-settings').click();
  await author.locator('[data-testid="notification"][data-type="comment"] a').click();
  await write('comment').first().waitFor();
  seen.address = new URL(author.url()).pathname.replace(/\d+/, 'N');
  await write('comment-reply').first().click();
  await author.waitForFunction(() => document.activeElement?.dataset.testid === 'comment-words');
  await author.keyboard.type('À demain alors !');
  await author.keyboard.press('Control+Enter');
  await write('comment').nth(1).waitFor();
  seen.replied = await tidy(write('comment').nth(1));
  await look(author, 'post');
  seen.answered = await told(read('news-told'), 'Aïssatou');
  await write('post-menu').click();
  await write('post-edit').click();
  await write('field-content').fill('Le marché de Kipé est ouvert, tous les jours !');
  await look(author, 'edit');
  await write('submit-edit-post').click();
  seen.edited = await told(write('post-told'), 'modifiée');
  return seen;
}

/** A third member writes much: it is read to its end, by hand and by itself. */
async function manyPosts() {
  const seen = {};
  const call = async (path, body, token) => {
    const headers = { 'content-type': 'application/json' };
    if (token) headers.authorization = `Bearer ${token}`;
    const answer = await fetch(base + path, {
      method: body ? 'POST' : 'GET',
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { quartiers } = await call('/api/users/geographic-data/');
  const { tokens } = await call('/api/users/register/', {
    username: 'ibra',
    email: 'ibra@example.org',
    password: PASSWORD,
    password_confirm: PASSWORD,
    first_name: 'Ibrahima',
    last_name: 'Sow',
    quartier: quartiers.find(({ commune }) => commune === 'Ratoma').id,
  });
  for (let n = 1; n <= POSTS; n += 1) {
    const post = { content: `Message numéro ${n}.`, post_type: n % 2 ? 'help' : 'discussion' };
    await call('/api/posts/', post, tokens.access);
  }
  // Nothing is asked for before somebody wants it: the way of those who do not scroll.
  await reader.addInitScript(() => delete window.IntersectionObserver);
  await reader.reload();
  await read('feed-more').waitFor();
  const first = await read('post').count();
  await read('feed-more').focus();
  await reader.keyboard.press('Enter');
  await reader.waitForFunction(
    (n) => document.querySelectorAll('[data-testid="post"]').length > n,
    first,
  );
  seen.more = {
    first,
    then: await read('post').count(),
    said: await told(read('feed-told'), 'affichées'),
    focus: await reader.evaluate(() => document.activeElement?.tagName),
  };
  await author.goto(`${base}/`);
  await write('post').first().waitFor();
  while ((await write('post').count()) <= POSTS) {
    await author.mouse.wheel(0, 3000);
    await author.waitForFunction(() => new Promise(requestAnimationFrame));
  }
  seen.scrolled = await write('post').count();

  await write('filter-help').click();
  await author.waitForFunction(
    () => document.querySelectorAll('[data-testid="post"]').length === 12,
  );
  seen.filtered = new URL(author.url()).search;
  await write('filter-all').click();
  await write('open-search').click();
  await write('search').fill('marche de kipe');
  await author.waitForFunction(
    () => document.querySelectorAll('[data-testid="post"]').length === 1,
  );
  seen.searched = await tidy(write('post').first());
  await look(author, 'search');
  await write('search').fill('introuvable');
  await write('feed-empty').waitFor();
  seen.nothing = await tidy(write('feed-empty'));
  return seen;
}

async function profiles() {
  const seen = {};
  await write('bar-me').click();
  await write('profile-edit').click();
  await write('field-bio').fill('Je vends du poisson au marché.');
  await look(author, 'profile-edit');
  await write('submit-profile').click();
  seen.bio = await tidy(write('profile-bio'));
  await author.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 900, height: 600 });
    const context = canvas.getContext('2d');
    context.fillStyle = '#2b5797';
    context.fillRect(0, 0, 900, 600);
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    const transfer = new DataTransfer();
    transfer.items.add(new File([blob], 'moi.png', { type: 'image/png' }));
    const input = document.querySelector('[data-testid="profile-picture"]');
    input.files = transfer.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  seen.picture = await told(write('profile-told'), 'Photo enregistrée');
  await look(author, 'profile');

  await reader.goto(`${base}/?q=marche`);
  await read('post-author').first().click();
  await read('member-name').filter({ hasText: 'Aïssatou' }).waitFor();
  await read('post').first().waitFor();
  seen.member = await tidy(read('member-name'));
  await look(reader, 'member');
  // Back where he was, with what he had found.
  await reader.goBack();
  await read('search').waitFor();
  seen.back = await read('search').inputValue();

  await author.goto(`${base}/profil`);
  const post = write('post').first();
  await post.getByTestId('post-menu').click();
  await post.getByTestId('post-remove').click();
  barriers.push(...(await violations(author, 'remove')));
  await write('stop-yes').click();
  await write('feed-empty').waitFor();
  seen.removed = await tidy(write('feed-told'));
  return seen;
}
