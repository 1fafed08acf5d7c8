import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { importanceTimesteps } from '../src/importance-timesteps.js';
import type { LossHistory } from '../src/timestep-sampler.js';

beforeAll(() => useBackend('cpu'));

/** Uniform numbers (i + ½)/n instead of random ones: frequencies become exact. */
const evenly: Rng = {
  ...rng(0),
  uniform: ([n]) => tf.tensor1d(Array.from({ length: n! }, (_, i) => (i + 0.5) / n!)),
};

function frequencies(history: LossHistory, steps: number): { p: number[]; weights: number[] } {
  const size = 100_000;
  const { t, weights } = importanceTimesteps().draw(evenly, size, steps, history);
  const p = new Array<number>(steps).fill(0);
  const weightOf = new Array<number>(steps).fill(0);
  t.forEach((index, i) => {
    p[index]! += 1 / size;
    weightOf[index] = weights[i]!;
  });
  return { p, weights: weightOf };
}

const ten = (loss: number): number[] => new Array<number>(10).fill(loss);

test('timesteps are uniform until each of them has ten losses', () => {
  const history = [ten(1), ten(2), ten(3).slice(1)];
  const { p, weights } = frequencies(history, 3);
  expectAllClose(p, [1 / 3, 1 / 3, 1 / 3], { absolute: 1e-4 });
  expectAllClose(weights, [1, 1, 1]);
  expectAllClose(frequencies([], 4).p, [0.25, 0.25, 0.25, 0.25], { absolute: 1e-4 });
});

test('then p(t) is proportional to the root mean square of the last ten losses', () => {
  const mixed = [3, 3, 3, 3, 3, 4, 4, 4, 4, 4]; // mean square 12.5
  const { p } = frequencies([ten(1), ten(6), mixed], 3);
  const moments = [1, 6, Math.sqrt(12.5)];
  const total = moments.reduce((a, b) => a + b);
  expectAllClose(
    p,
    moments.map((moment) => (0.999 * moment) / total + 0.001 / 3),
    { absolute: 1e-4 },
  );
});

test('weighted with 1/(T p), the losses have the mean that uniform timesteps would give', () => {
  const losses = [0.1, 0.5, 2, 0];
  const { p, weights } = frequencies(losses.map(ten), 4);
  const estimate = losses.reduce((sum, loss, t) => sum + p[t]! * weights[t]! * loss, 0);
  expect(estimate).toBeCloseTo((0.1 + 0.5 + 2 + 0) / 4, 3);
});

test('a timestep whose losses were all 0 keeps being looked at', () => {
  expect(frequencies([ten(0), ten(1)], 2).p[0]).toBeCloseTo(0.0005, 5);
  expectAllClose(frequencies([ten(0), ten(0)], 2).p, [0.5, 0.5], { absolute: 1e-4 });
});

test('the history keeps the last ten losses of each timestep, and survives JSON unchanged', () => {
  const history: LossHistory = [];
  const sampler = importanceTimesteps();
  for (let i = 0; i < 12; i++) {
    sampler.observe!(history, 3, Int32Array.of(0, 2), Float32Array.of(i + 0.1, 7));
  }
  expect(history.map((losses) => losses.length)).toEqual([10, 0, 10]);
  expect(history[0]![0]).toBe(Math.fround(2.1));
  expect(history[0]![9]).toBe(Math.fround(11.1));
  expect(JSON.parse(JSON.stringify(history))).toEqual(history);
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void importanceTimesteps().draw(rng(1), 3, 10, [])));
