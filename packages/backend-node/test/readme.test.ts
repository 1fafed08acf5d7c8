import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';
import { describeInstalled } from './installed.js';

describeInstalled('README', () => {
  it('has an example that runs and prints what it says', async () => {
    await expectReadmeRuns(new URL('../README.md', import.meta.url));
  });
});
