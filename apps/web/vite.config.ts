import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { contentSecurityPolicy } from './build/content-security-policy.js';
import { digits } from './build/digits.js';
import { serviceWorker } from './build/service-worker.js';

export default defineConfig({
  base: './',
  plugins: [svelte(), digits('public'), contentSecurityPolicy(), serviceWorker()],
  worker: { format: 'es' },
  build: { target: 'es2023', assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
});
