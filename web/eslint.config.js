import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist/', 'node_modules/'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    files: ['src/**'],
    languageOptions: { globals: globals.browser },
    rules: { 'no-console': 'error' },
  },
  {
    // French puts a hard space before its double punctuation.
    rules: { 'no-irregular-whitespace': ['error', { skipTemplates: true }] },
  },
  {
    // The type checker knows the names of the platform; the linter would only repeat it, less well.
    files: ['**/*.ts', '**/*.svelte'],
    rules: { 'no-undef': 'off' },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    // Links are plain paths: the router listens to clicks, so they also work before it runs.
    // Maps and dates are used outside what is shown, where reactivity would only cost.
    rules: {
      'svelte/no-navigation-without-resolve': 'off',
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['public/*.js'],
    languageOptions: { globals: globals.serviceworker },
  },
  {
    files: ['*.{ts,js}', 'e2e/**'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
);
