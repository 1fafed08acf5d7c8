import { cosine, linear, rescaleToZeroTerminalSnr, varianceExploding } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { logNormalSigma } from '../src/log-normal-sigma.js';
import { expectNormal } from './moments.js';
import { CONTINUOUS, DISCRETE } from './schedules.js';

beforeAll(() => useBackend('cpu'));

/** A source of these normal numbers. */
const drawing = (...z: number[]) => ({ ...rng(0), normal: () => tf.tensor1d(z) });

test('ln σ is normal with the mean −1.2 and the deviation 1.2 of Karras et al.', () => {
  const n = 20_000;
  const { t, weights } = logNormalSigma().draw(
    rng(1),
    n,
    varianceExploding({ sigmaMin: 1e-6, sigmaMax: 1e6 }),
    [],
  );
  expectNormal(t.map(Math.log), -1.2, 1.2);
  // P(ln σ < −1.2 − 1.2) = Φ(−1)
  const below = t.filter((sigma) => Math.log(sigma) < -2.4).length;
  expect(Math.abs(below / n - 0.158655)).toBeLessThan(4 * Math.sqrt((0.1587 * 0.8413) / n));
  expect(Array.from(weights)).toEqual(new Array(n).fill(1));
});

test('it has the mean and the deviation that are asked for', () => {
  const sampler = logNormalSigma({ mean: 0.4, deviation: 0.7 });
  const { t } = sampler.draw(rng(2), 20_000, varianceExploding({ sigmaMin: 1e-6, sigmaMax: 1e6 }), []);
  expectNormal(t.map(Math.log), 0.4, 0.7);
});

for (const [name, schedule] of Object.entries({ ...CONTINUOUS, ...DISCRETE })) {
  test(`on ${name} it is ln(σ/α) that is normal: the time is where the schedule has that ratio`, () => {
    const z = [-1, -0.25, 0, 0.5, 1.5];
    const { t } = logNormalSigma().draw(drawing(...z), 5, schedule, []);
    const ratios = Array.from(t, (time) => {
      const { alpha, sigma } = schedule.level(time);
      return Math.log(sigma / alpha);
    });
    expectAllClose(
      ratios,
      z.map((one) => -1.2 + 1.2 * one),
      { relative: 0, absolute: 1e-9 },
    );
  });
}

test('on a discrete schedule the times lie between the whole ones', () => {
  const { t } = logNormalSigma().draw(rng(1), 1000, linear({ steps: 100 }), []);
  const whole = t.filter(Number.isInteger);
  // But for what lies beyond the ends: ln σ/α of the first time is −3.4, 1.9 deviations below the mean.
  expect(new Set(whole)).toEqual(new Set([0]));
  expect(whole.length).toBeLessThan(60);
  expect(t.every((time) => time >= 0 && time <= 99)).toBe(true);
});

test('what has less or more noise than the schedule is drawn at its least or its most', () => {
  const far = drawing(-40, 40);
  for (const schedule of [linear({ steps: 1000 }), cosine({ steps: 10 }), varianceExploding()]) {
    const { t } = logNormalSigma().draw(far, 2, schedule, []);
    expect(t[0]).toBeCloseTo(schedule.least, 12);
    expect(t[1]).toBe(schedule.end);
  }
});

test('a schedule that ends in pure noise is never quite there', () => {
  for (const schedule of [rescaleToZeroTerminalSnr(linear({ steps: 100 })), CONTINUOUS.rectified!]) {
    const { t } = logNormalSigma().draw(drawing(8), 1, schedule, []);
    expect(t[0]).toBeLessThan(schedule.end);
    expect(schedule.level(t[0]!).alpha).toBeGreaterThan(0);
  }
});

test('the time of example i does not depend on the batch size', () => {
  const { t } = logNormalSigma().draw(rng(1), 8, varianceExploding(), []);
  expect(Array.from(logNormalSigma().draw(rng(1), 3, varianceExploding(), []).t)).toEqual(
    Array.from(t.slice(0, 3)),
  );
});

test('a mean that is no number and a deviation that is not positive are refused', () => {
  expect(() => logNormalSigma({ mean: Number.NaN })).toThrow(
    new RangeError('mean must be a number, not NaN'),
  );
  for (const deviation of [0, -1, Number.NaN, Infinity]) {
    expect(() => logNormalSigma({ deviation })).toThrow(
      new RangeError(`deviation must be a positive number, not ${deviation}`),
    );
  }
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void logNormalSigma().draw(rng(1), 3, varianceExploding(), [])));
