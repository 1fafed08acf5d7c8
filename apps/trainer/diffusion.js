#!/usr/bin/env node
// Plain JavaScript, so that it runs, and can say what is missing, before anything is built and on a Node that is too old.
import { existsSync } from 'node:fs';

const NEEDED = [20, 19];
const [major, minor] = process.versions.node.split('.').map(Number);
const main = new URL('dist/main.js', import.meta.url);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`error: This needs Node ≥ ${NEEDED.join('.')}, and here is ${process.versions.node}.`);
  process.exitCode = 1;
} else if (existsSync(main)) {
  await import(main);
} else {
  console.error('error: The command line is not built yet: run `npm run setup && npm run build` first.');
  process.exitCode = 1;
}
