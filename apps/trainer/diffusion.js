#!/usr/bin/env node
// Plain JavaScript, so that it runs, and can say what is missing, before anything is built.
import { existsSync } from 'node:fs';

const main = new URL('dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main);
} else {
  console.error('error: The command line is not built yet: run `npm run setup && npm run build` first.');
  process.exitCode = 1;
}
