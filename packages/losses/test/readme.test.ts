import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it('the example of the README prints what it says', () =>
  expectReadmeRuns(new URL('../README.md', import.meta.url)));
