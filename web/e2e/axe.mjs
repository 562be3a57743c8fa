// What axe-core finds wrong with a page, by WCAG 2.2 at the levels A and AA.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** The violations of a page as it is now: `feed: color-contrast: <b>…</b>`. */
export async function violations(page, name) {
  // Not by a script element: the policy of the page would not have it.
  await page.evaluate(`globalThis.axe ?? (() => { ${axe} })()`);
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { violations } = await page.evaluate((values) => {
      return globalThis.axe.run(document, { runOnly: { type: 'tag', values } });
    }, TAGS);
    for (const { id, nodes } of violations) {
      found.push(
        ...nodes.map(({ html }) => `${name}, ${colorScheme}: ${id}: ${html.slice(0, 200)}`),
      );
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  return found;
}
