// Checks the package in this folder as npm will have it, in the tarball that pnpm publishes: `check:package` of each.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const run = (command, ...args) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const { bin = {}, 'size-limit': sizes } = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'check-package-'));
try {
  const { filename } = JSON.parse(run('pnpm', 'pack', '--json', '--pack-destination', folder));
  const files = run('tar', '-tf', filename).split('\n');
  const packed = JSON.parse(run('tar', '-xOf', filename, 'package/package.json'));
  for (const file of ['LICENSE', 'README.md', ...Object.values(bin)]) {
    if (!files.includes(join('package', file))) throw new Error(`${file} is not in the tarball`);
  }
  for (const key of ['scripts', 'devDependencies', 'size-limit']) {
    if (key in packed) throw new Error(`${key} would be published: see .pnpmfile.cjs`);
  }
  run('publint', 'run', '--strict', filename);
  run('attw', filename, '--profile', 'esm-only', '--format', 'ascii', '--no-color');
  if (sizes) run('size-limit', '--silent');
} catch (error) {
  console.error(error.stdout || error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
