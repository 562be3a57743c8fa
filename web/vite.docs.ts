// The page of the API, apart from the page of lives: nothing of it shall make that one slower. Its
// twins are written with the others', by `vite.config.ts`.

import { defineConfig } from 'vite';

export default defineConfig({
  publicDir: false,
  build: {
    target: ['chrome94', 'firefox93', 'safari15.4'],
    rolldownOptions: { input: 'docs.html' },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
});
