import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it("the example of the project's README trains, samples and prints what it says", () =>
  expectReadmeRuns(new URL('../../../README.md', import.meta.url), new URL('../README.md', import.meta.url)));
