import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it('the example in the README prints what it says', async () => {
  await expectReadmeRuns(new URL('../README.md', import.meta.url));
});
