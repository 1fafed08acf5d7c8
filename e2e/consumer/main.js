// The packages as somebody meets them who has npm and no clone: packed as they are published, installed from the tarballs
// into fresh projects, and the example of the root's README run in each. `npm run e2e` prints a line a project;
// `npm run e2e -- vite next` runs those alone.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { openBrowser } from './browser.js';
import { PROJECTS } from './projects.js';

const root = join(import.meta.dirname, '../..');
const temporary = mkdtempSync(join(tmpdir(), 'consumer-'));
// Vite's dev server runs in this process and says 'development' here, which Next's build would take from it.
const env = { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' };
const execute = promisify(execFile);
const run = (cwd, file, ...args) => execute(file, args, { cwd, env, timeout: 150_000 });

/** Does `task` for all of them, two at a time. */
async function inPairs(items, task) {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item);
  };
  await Promise.all([lane(), lane()]);
}

/** What a user installs: each package as a tarball, and tfjs. */
async function pack() {
  const dependencies = { '@tensorflow/tfjs-core': '4.22.0', '@tensorflow/tfjs-backend-wasm': '4.22.0' };
  await inPairs(readdirSync(join(root, 'packages')), async (folder) => {
    const cwd = join(root, 'packages', folder);
    const { name, private: hidden } = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'));
    if (hidden) return;
    const { stdout } = await run(cwd, 'pnpm', 'pack', '--json', '--pack-destination', temporary);
    dependencies[name] = `file:${JSON.parse(stdout).filename}`;
  });
  return dependencies;
}

/** The folder of a project with its files, its packages installed by npm. */
async function lay(project, dependencies, example) {
  const cwd = join(temporary, project.name.replace(/\W+/g, '-'));
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { ...dependencies, ...project.dependencies },
  };
  const files = { 'package.json': JSON.stringify(manifest), ...project.files(example) };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true });
    writeFileSync(join(cwd, path), text);
  }
  await run(cwd, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error');
  return cwd;
}

/** What went wrong: what the program that failed printed, or else the error itself. */
const saying = ({ stdout = '', stderr = '', message }) =>
  `${message.split('\n')[0]}\n${stdout}${stderr || message}`;

let failed = false;
try {
  const example = /^```ts\n(.*?)^```/ms.exec(readFileSync(join(root, 'README.md'), 'utf8'))[1];
  const expected = /console\.log\(.*\); \/\/ (.*)$/m.exec(example)[1];
  const dependencies = await pack();
  const browser = await openBrowser();
  if (browser === undefined) console.log('no Chromium: pages are built and not opened');
  const asked = process.argv.slice(2).map((word) => word.toLowerCase());
  const wanted = ({ name }) => asked.length === 0 || asked.some((word) => name.toLowerCase().includes(word));
  await inPairs(PROJECTS.filter(wanted), async (project) => {
    const start = performance.now();
    const seconds = () => `${Math.round((performance.now() - start) / 1000)} s`;
    try {
      const cwd = await lay(project, dependencies, example);
      await project.check({ cwd, env, browser, expected, run: (...command) => run(cwd, ...command) });
      console.log(`${project.name}: ok (${seconds()})`);
    } catch (error) {
      failed = true;
      console.log(`${project.name}: FAILED (${seconds()})\n${saying(error).trim().slice(-3000)}`);
    }
  });
  await browser?.close();
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
