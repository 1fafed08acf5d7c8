import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, test } from 'vitest';
import { stratifiedTimesteps } from '../src/stratified-timesteps.js';

beforeAll(() => useBackend('cpu'));

test('each of eight equal parts of the schedule gets exactly one of eight examples', () => {
  for (let seed = 0; seed < 50; seed++) {
    const { t, weights } = stratifiedTimesteps().draw(rng(seed), 8, 1000, []);
    expect(Array.from(t, (index) => Math.floor((8 * index) / 1000)).toSorted()).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7,
    ]);
    expect(Array.from(weights)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  }
});

test('the timestep of one example is uniform over the schedule', () => {
  const draws = 4000;
  const counts = [0, 0, 0, 0];
  for (let seed = 0; seed < draws; seed++)
    counts[stratifiedTimesteps().draw(rng(seed), 3, 4, []).t[1]!]! += 1;
  for (const count of counts) {
    expect(Math.abs(count - draws / 4)).toBeLessThan(4 * Math.sqrt((draws * 3) / 16));
  }
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void stratifiedTimesteps().draw(rng(1), 3, 10, [])));
