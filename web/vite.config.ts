import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { twins } from './vite.twins';
import { watchPage } from './vite.watch';

const SERVER = process.env.COMMUNICONNECT_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), watchPage(), twins()],
  build: {
    // `vite.docs.ts` has written there before, and emptied it.
    emptyOutDir: false,
    // Phones a few years old are the rule among members: their browsers set the floor, not ours.
    target: ['chrome94', 'firefox93', 'safari15.4'],
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Small, and on nearly every screen: apart they would be a request each.
          groups: [
            {
              name: 'common',
              test: /src\/(ui\/(Avatar|Field|Icon|Note|Spinner|StatusChip)\.|lib\/(poller|format|form-context|urls)\.)/,
            },
          ],
        },
      },
      treeshake: {
        // Custom elements and the old component API: never used here, 2 KB that would stay.
        moduleSideEffects: [
          {
            test: /svelte\/src\/.*\/custom-element\.js$|svelte\/src\/legacy\//,
            sideEffects: false,
          },
        ],
      },
    },
    // The content security policy forbids data: outside images.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 450,
  },
  server: {
    proxy: {
      '/api': { target: SERVER, ws: true },
      '/hls': SERVER,
      '/vod': SERVER,
      '/media': SERVER,
    },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
