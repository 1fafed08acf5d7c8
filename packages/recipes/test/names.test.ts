import { describe, expect, it } from 'vitest';
import { oneOfThese } from '../src/index.js';

const known = ['ancestral', 'ddim', 'heun', 'dpm-solver++'];

describe('the names that a refusal offers', () => {
  it.each([
    ['DDIM', 'ddim'],
    ['ancestrl', 'ancestral'],
    ['dpm', 'dpm-solver++'],
    ['h', 'heun'],
  ])('begin with the one that %s was meant for', (input, meant) => {
    expect(oneOfThese(input, known)).toBe(`${meant}, perhaps, or one of ${known.join(', ')}`);
  });

  it.each(['', 'euler', 5, undefined, {}])('are all there are where nothing is like %j', (input) => {
    expect(oneOfThese(input, known)).toBe(`one of ${known.join(', ')}`);
  });
});
