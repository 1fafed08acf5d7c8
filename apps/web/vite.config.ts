import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { contentSecurityPolicy } from './build/content-security-policy.js';
import { digits } from './build/digits.js';
import { onlyWoff2 } from './build/only-woff2.js';
import { serviceWorker } from './build/service-worker.js';

export default defineConfig({
  base: './',
  // Where there is a bundler, core's own file can be had in the place of the copy that Node needs: 40 kB less to load.
  resolve: { alias: { '#gradients': '@tensorflow/tfjs-core/dist/register_all_gradients.js' } },
  plugins: [svelte(), onlyWoff2(), digits('public'), contentSecurityPolicy(), serviceWorker()],
  worker: {
    format: 'es',
    // All that the worker's first module needs lies beside it, and not in it, where others would import it from there.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'serve', test: /lab\/serve\.ts$/ }] } } },
  },
  build: { target: 'es2023', assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
});
