import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { folder } from './cli.js';

const LAUNCHER = fileURLToPath(new URL('../diffusion.js', import.meta.url));

it('says what to run first where nothing was built yet', () => {
  const copy = join(folder(), 'diffusion.mjs');
  cpSync(LAUNCHER, copy);
  const { status, stdout, stderr } = spawnSync(process.execPath, [copy, 'train'], { encoding: 'utf8' });
  expect([status, stdout, stderr]).toEqual([
    1,
    '',
    'error: The command line is not built yet: run `npm run setup && npm run build` first.\n',
  ]);
});

it('passes arguments and exit code on where it is built', () => {
  const { status, stderr } = spawnSync(process.execPath, [LAUNCHER, 'trian'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, expect.stringContaining('Did you mean train?')]);
});
