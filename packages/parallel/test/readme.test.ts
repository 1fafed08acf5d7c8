import '@diffusion-ts/testing/plain-threads';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it('the example in the README prints what it says', async () => {
  const readme = new URL('../README.md', import.meta.url);
  const [, rank] = /^```js\n(.*?)^```/ms.exec(readFileSync(readme, 'utf8'))!;
  // Where the example is put, to be removed with it.
  const folder = new URL('./.readme/', readme);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('rank.js', folder), rank!);
  await expectReadmeRuns(readme);
});
