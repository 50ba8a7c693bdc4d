import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    rules: {
      // What the server holds may be written by an attacker: it is shown as text, never as markup.
      'svelte/no-at-html-tags': 'error',
      'no-restricted-properties': ['error', { property: 'innerHTML' }, { property: 'outerHTML' }],
      // Maps and sets here are either replaced whole or not part of what is drawn.
      'svelte/prefer-svelte-reactivity': 'off',
      // Spaces between elements that the formatter would otherwise move.
      'svelte/no-useless-mustaches': 'off',
      // Addresses of the console are made by one function, `href`.
      'svelte/no-navigation-without-resolve': 'off',
    },
  },
  { ignores: ['node_modules/'] },
);
