// The built lab in Chromium, Firefox and WebKit, whichever are installed: each opens one page, which visits the five pages
// of the lab in a frame, trains, samples, reloads, and posts what it saw. All engines must see the same numbers.
// `npm run engines` builds the lab first; `npm run engines -- webkit` asks for one alone.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENGINES } from './engines.js';
import { serveLab } from './server.js';

const PATIENCE_MS = 240_000;

/** Opens the page in an engine and waits for what it has to say. */
async function seenBy({ start, storesNothing = false }, site) {
  const profile = mkdtempSync(join(tmpdir(), 'engine-'));
  // Sessions and caches of their own, and nothing of whoever runs this.
  const env = { ...process.env, HOME: profile, LANG: 'C' };
  const started = [];
  /** Starts a program that ends with this visit. */
  const run = (file, args, options = {}) => {
    const child = spawn(file, args, {
      detached: true,
      stdio: 'ignore',
      ...options,
      env: { ...env, ...options.env },
    });
    started.push(child);
    return child;
  };
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`said nothing in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
    const report = site.nextReport();
    await start({ run, profile, url: `${site.url}drive.html${storesNothing ? '?stores=nothing' : ''}` });
    return await Promise.race([report, late]);
  } finally {
    clearTimeout(timer);
    for (const { pid } of started.reverse()) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** What differs from the first engine, in words; undefined where nothing does. */
function difference(seen, first) {
  if (seen.bound !== first.bound) return `the bound after 50 steps is ${seen.bound}, not ${first.bound}`;
  const worst = Math.max(...seen.pixels.map((grey, i) => Math.abs(grey - first.pixels[i])));
  if (!(worst <= 1)) return `its samples differ by ${worst} grey levels`;
  return undefined;
}

const asked = process.argv.slice(2).map((word) => word.toLowerCase());
const wanted = ({ name }) => asked.length === 0 || asked.includes(name.toLowerCase());
const site = await serveLab();
let failed = false;
let first;
for (const engine of ENGINES.filter(wanted)) {
  const missing = engine.needs.find((file) => !existsSync(file));
  if (missing !== undefined) {
    console.log(`${engine.name}: skipped, there is no ${missing}`);
    continue;
  }
  const began = performance.now();
  let problem;
  try {
    const seen = await seenBy(engine, site);
    first ??= seen;
    problem = seen.failure ?? difference(seen, first);
  } catch (error) {
    problem = error.message;
  }
  failed ||= problem !== undefined;
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${engine.name}: ${problem === undefined ? 'ok' : `FAILED, ${problem}`} (${seconds} s)`);
}
site.close();
process.exit(failed ? 1 : 0);
