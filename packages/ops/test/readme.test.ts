import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it('the README example prints what it says', () =>
  expectReadmeRuns(new URL('../README.md', import.meta.url)));
