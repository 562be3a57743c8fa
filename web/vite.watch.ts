// Writes `live.html`, the page as the server sends it to those who come to watch: `index.html`, and
// word of the scripts and styles that a live needs, so that they travel together and not each after
// the one that asks for it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin, Rolldown } from 'vite';

/** What is imported where a live is watched, and nowhere before. */
const NEEDED = [
  /src\/pages\/Watch\.svelte$/,
  /src\/ui\/LivePlayer\.svelte$/,
  /hls\.js\/dist\/hls\.light/,
];

export function watchPage(): Plugin {
  return {
    name: 'watch-page',
    apply: 'build',
    writeBundle({ dir = 'dist' }, bundle) {
      const html = readFileSync(join(dir, 'index.html'), 'utf8');
      const links = filesOf(bundle)
        .filter((file) => !html.includes(file))
        .map((file) =>
          file.endsWith('.css')
            ? `<link rel="preload" as="style" crossorigin href="/${file}">`
            : `<link rel="modulepreload" crossorigin href="/${file}">`,
        );
      const head = [...links.map((link) => `  ${link}`), '</head>'].join('\n  ');
      writeFileSync(join(dir, 'live.html'), html.replace('</head>', head));
    },
  };
}

/** The chunks that hold what is needed, what they import, and their styles: styles first. */
function filesOf(bundle: Rolldown.OutputBundle): string[] {
  const chunks = new Set<string>();
  const add = (file: string) => {
    const chunk = bundle[file];
    if (chunk?.type !== 'chunk' || chunks.has(file)) return;
    chunk.imports.forEach(add);
    chunks.add(file);
  };
  for (const needed of NEEDED) {
    const holds = (id: string) => needed.test(id.split('?')[0] ?? '');
    const found = Object.values(bundle).find(
      (file) => file.type === 'chunk' && file.moduleIds.some(holds),
    );
    if (!found) throw new Error(`no chunk holds ${needed}`);
    add(found.fileName);
  }
  const styles = [...chunks].flatMap((file) => {
    const chunk = bundle[file];
    return chunk?.type === 'chunk' ? [...(chunk.viteMetadata?.importedCss ?? [])] : [];
  });
  return [...new Set(styles), ...chunks];
}
