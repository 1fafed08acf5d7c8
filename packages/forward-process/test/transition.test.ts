import { cosine, fromBetas, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { absorbingTransition, gaussianTransition, uniformTransition } from '../src/index.js';
import { absorbing, discretisedGaussian, uniform, walk } from './chain.js';

const betas = [0.05, 0.2, 0.1, 0.4, 0.3];
const schedule = fromBetas(betas);

describe.each([
  ['uniform', uniformTransition(3), uniform(3)],
  ['absorbing', absorbingTransition(3), absorbing(3)],
  ['discretised Gaussian', gaussianTransition(4), discretisedGaussian(4)],
] as const)('%s noise', (_, transition, step) => {
  const { states, classes, prior, between } = transition(schedule);

  it('is between any two times the product of its steps', () => {
    for (let s = -1; s < betas.length; s++) {
      for (let t = s; t < betas.length; t++) {
        const expected = Array.from({ length: states ** 2 }, (_, n) =>
          walk(step, betas, s, t, Math.floor(n / states), n % states),
        );
        expectAllClose(between(s, t), expected, { relative: 1e-12, absolute: 1e-14 });
      }
    }
  });

  it('has a prior that it leaves as it is, and to which every class comes', () => {
    expect(prior.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 14);
    const next = Array.from(prior, (_, j) =>
      prior.reduce((sum, p, i) => sum + p * walk(step, betas, -1, 2, i, j), 0),
    );
    expectAllClose(next, prior, { relative: 1e-12, absolute: 1e-15 });
    const long = transition(fromBetas(new Float64Array(300).fill(0.3)));
    const last = long.between(-1, 299);
    for (let i = 0; i < classes; i++)
      expectAllClose(last.slice(i * states, (i + 1) * states), prior, { relative: 1e-6, absolute: 1e-6 });
  });
});

it('uniform and absorbing noise are known between whole times and in continuous time, by ᾱ = α²', () => {
  const keep = (t: number): number => rectified().level(t).alpha ** 2;
  const { between } = absorbingTransition(2)(rectified());
  expectAllClose(between(0.25, 0.5).slice(0, 3), [keep(0.5) / keep(0.25), 0, 1 - keep(0.5) / keep(0.25)]);
  const half = uniformTransition(2)(cosine({ steps: 10 })).between(-1, 4.5);
  const { alpha } = cosine({ steps: 10 }).level(4.5);
  expectAllClose(
    half,
    [1, 0, 0, 1].map((one) => (one ? 1 + alpha ** 2 : 1 - alpha ** 2) / 2),
  );
});

it('refuses what it has no matrices for, in a sentence', () => {
  expect(() => uniformTransition(1)).toThrow(
    new RangeError('classes is 1, expected a whole number of at least 2'),
  );
  expect(() => absorbingTransition(3)(varianceExploding())).toThrow(
    'the schedule keeps all of the data to its end (α = 1), expected one on which they fade: this noise replaces classes',
  );
  expect(() => gaussianTransition(3)(rectified())).toThrow(
    'the discretised Gaussian has one matrix a step, and a schedule of continuous time has no steps',
  );
  expect(() => gaussianTransition(3)(schedule).between(0, 1.5)).toThrow(
    'the time is 1.5, expected a whole one: each step has one matrix',
  );
});
