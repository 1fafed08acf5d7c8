import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

/** What a bundler makes of a module that takes these names from the package, tfjs left out. */
async function bundled(names: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names} } from './src/index.ts'`,
      resolveDir: fileURLToPath(new URL('..', import.meta.url)),
    },
    bundle: true,
    format: 'esm',
    write: false,
    external: ['@tensorflow/tfjs-core'],
  });
  return outputFiles[0]!.text;
}

it('a bundle with valueAndGrad carries the gradients of tfjs', async () => {
  expect(await bundled('valueAndGrad')).toMatch(/registerGradient\d*\(/);
});

it('a bundle without it carries none', async () => {
  const names =
    'axpby, chooseRows, finish, joinRows, mapParams, nextTask, philox, rng, takeRows, tidyNow, whenAnswered';
  expect(await bundled(names)).not.toMatch(/registerGradient\d*\(/);
});
