import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { folder } from './folder.js';

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

it('says which Node it needs where it is run by an older one', () => {
  const old = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '18.20.8' })`;
  const root = fileURLToPath(new URL('../../../needs-node.cjs', import.meta.url));
  for (const script of [LAUNCHER, root]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', old, script, '--help'], {
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([
      1,
      '',
      'error: This needs Node ≥ 20.19, and here is 18.20.8.\n',
    ]);
  }
});

it('passes arguments and exit code on where it is built', () => {
  const { status, stderr } = spawnSync(process.execPath, [LAUNCHER, 'trian'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, expect.stringContaining('Did you mean train?')]);
});
