import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, test } from 'vitest';
import { uniformTimesteps } from '../src/uniform-timesteps.js';

beforeAll(() => useBackend('cpu'));

test('every timestep is drawn equally often, and every example weighs 1', () => {
  const { t, weights } = uniformTimesteps().draw(rng(1), 50_000, 5, []);
  const counts = [0, 0, 0, 0, 0];
  for (const index of t) counts[index]! += 1;
  // 10 000 ± 4 standard deviations of a binomial with p = 1/5.
  for (const count of counts)
    expect(Math.abs(count - 10_000)).toBeLessThan(4 * Math.sqrt(50_000 * 0.2 * 0.8));
  expect(weights.every((weight) => weight === 1)).toBe(true);
});

test('the timestep of example i does not depend on the batch size', () => {
  const { t } = uniformTimesteps().draw(rng(1), 8, 1000, []);
  expect(Array.from(uniformTimesteps().draw(rng(1), 3, 1000, []).t)).toEqual(Array.from(t.slice(0, 3)));
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void uniformTimesteps().draw(rng(1), 3, 10, [])));
