// Writes the `.br` and `.gz` twin of every text file of the build: the server sends them as they
// are, so that no request ever waits for a compressor.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(html|js|css|svg|webmanifest)$/;
/** Below this, the twin saves no packet. */
const MIN_BYTES = 600;
/** Large, and seldom asked for: in the binary as `.gz` alone. */
const PACKED_ONLY = /assets\/docs-[^/]*\.(js|css)$/;

export function twins(): Plugin {
  let folder = 'dist';
  return {
    name: 'twins',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!TEXT.test(entry)) continue;
        const path = join(folder, entry);
        const plain = readFileSync(path);
        if (plain.length < MIN_BYTES) continue;
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
        if (PACKED_ONLY.test(path)) {
          rmSync(path);
          continue;
        }
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params }));
      }
    },
  };
}
