import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The bundle goes where the server and the wheel look for it. `npm run dev` passes API calls to a local server.
const api = process.env.STILLWATCH_API ?? 'http://127.0.0.1:8721';

export default defineConfig({
  base: '/console/',
  plugins: [svelte()],
  build: {
    outDir: '../src/stillwatch/console_assets',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { '/v1': api, '/openapi.json': api } },
});
