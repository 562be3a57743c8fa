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
          includeDependenciesRecursively: false,
          groups: [
            // Small, and on nearly every screen: apart they would be a request each.
            {
              name: 'common',
              priority: 1,
              test: /src\/(ui\/(Avatar|Field|Icon|Note|Spinner|StatusChip)\.|lib\/(poller|format|form-context|urls|fr|router|session|storage|api\/(client|errors|tokens))\.)|(svelte\/src|esm-env|clsx|oxc-project)/,
            },
            // What every screen of a member needs, and what a list of posts does: a request each, not
            // twenty. Not what strangers see, too.
            {
              name: 'member',
              test: /src\/(ui\/(AccountMenu|AlertsSwitch|Dropdown|MemberBar|MemberLinks)|lib\/(alerts|news|posts|fr-feed|api\/(notifications|post-types)))\./,
            },
            {
              name: 'feed',
              test: /src\/(pages\/Feed|ui\/(Face|LiveCard|MediaGrid|Post(Card|List|Live|Skeleton)|Prose)|lib\/(feed|like|moments|people|words|api\/posts))\./,
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
