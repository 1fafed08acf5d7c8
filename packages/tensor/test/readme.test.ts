import { expectReadmeRuns } from '@diffusion-ts/testing';
import { it } from 'vitest';

it('runs the example of the README', () => expectReadmeRuns(new URL('../README.md', import.meta.url)));
