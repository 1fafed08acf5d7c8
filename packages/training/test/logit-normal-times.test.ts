import { rectified } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { logitNormalTimes } from '../src/logit-normal-times.js';
import { expectNormal } from './moments.js';
import { CONTINUOUS, discrete } from './schedules.js';

beforeAll(() => useBackend('cpu'));

const logit = (u: number): number => Math.log(u / (1 - u));

for (const [name, schedule] of Object.entries(CONTINUOUS)) {
  test(`on ${name} the logit of the part of the way is standard normal`, () => {
    const { t, weights } = logitNormalTimes().draw(rng(1), 20_000, schedule, []);
    expectNormal(
      t.map((time) => logit(time / schedule.end)),
      0,
      1,
    );
    expect(weights.every((weight) => weight === 1)).toBe(true);
    expect(t.every((time) => time > schedule.start && time < schedule.end)).toBe(true);
  });
}

test('it has the mean and the deviation that are asked for', () => {
  const { t } = logitNormalTimes({ mean: -0.5, deviation: 1.5 }).draw(rng(2), 20_000, rectified(), []);
  expectNormal(t.map(logit), -0.5, 1.5);
});

test('a discrete schedule gets the whole time in which that part lies', () => {
  const source = { ...rng(0), normal: () => tf.tensor1d([0, -1, 2]) };
  const { t } = logitNormalTimes().draw(source, 3, discrete(1000), []);
  // s(0) = 0.5, s(−1) = 0.26894…, s(2) = 0.88079…
  expect(Array.from(t)).toEqual([500, 268, 880]);
});

test('where the part rounds to 1 the last time is drawn, and no time beyond it', () => {
  const source = { ...rng(0), normal: () => tf.tensor1d([5]) };
  const wide = logitNormalTimes({ deviation: 10 });
  expect(wide.draw(source, 1, discrete(1000), []).t[0]).toBe(999);
  expect(wide.draw(source, 1, rectified(), []).t[0]).toBe(1);
});

test('a mean that is no number and a deviation that is not positive are refused', () => {
  expect(() => logitNormalTimes({ mean: Infinity })).toThrow(
    new RangeError('mean must be a number, not Infinity'),
  );
  for (const deviation of [0, -1, Number.NaN, Infinity]) {
    expect(() => logitNormalTimes({ deviation })).toThrow(
      new RangeError(`deviation must be a positive number, not ${deviation}`),
    );
  }
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void logitNormalTimes().draw(rng(1), 3, rectified(), [])));
