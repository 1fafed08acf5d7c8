import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { uniformTimes } from '../src/uniform-times.js';
import { expectUniform } from './moments.js';
import { CONTINUOUS, DISCRETE, discrete } from './schedules.js';

beforeAll(() => useBackend('cpu'));

test('every time of a discrete schedule is drawn equally often, and every example weighs 1', () => {
  const { t, weights } = uniformTimes().draw(rng(1), 50_000, discrete(5), []);
  const counts = [0, 0, 0, 0, 0];
  for (const index of t) counts[index]! += 1;
  // 10 000 ± 4 standard deviations of a binomial with p = 1/5.
  for (const count of counts)
    expect(Math.abs(count - 10_000)).toBeLessThan(4 * Math.sqrt(50_000 * 0.2 * 0.8));
  expect(Array.from(weights)).toEqual(new Array(50_000).fill(1));
});

for (const [name, schedule] of Object.entries(DISCRETE)) {
  test(`on ${name} the times are the integers that the source draws, as they always were`, () => {
    const { t } = uniformTimes().draw(rng(4), 100, schedule, []);
    expect(Array.from(t)).toEqual(
      Array.from(tf.tidy(() => rng(4).integers([100], schedule.steps!).dataSync())),
    );
  });
}

for (const [name, schedule] of Object.entries(CONTINUOUS)) {
  test(`on ${name}, of continuous time, they are uniform over all of it but the data`, () => {
    const { start, end } = schedule;
    const { t, weights } = uniformTimes().draw(rng(2), 20_000, schedule, []);
    expectUniform(t, start, end);
    expect(t.every((time) => time > start && time <= end)).toBe(true);
    expect(weights.every((weight) => weight === 1)).toBe(true);
    const atTheEnds = [0, 1 - 2 ** -53].map(
      (u) => uniformTimes().draw({ ...rng(0), doubles: () => Float64Array.of(u) }, 1, schedule, []).t[0]!,
    );
    expect(atTheEnds).toEqual([end, 2 ** -53 * end]);
  });
}

test('the time of example i does not depend on the batch size', () => {
  for (const schedule of [...Object.values(DISCRETE), ...Object.values(CONTINUOUS)]) {
    const { t } = uniformTimes().draw(rng(1), 8, schedule, []);
    expect(Array.from(uniformTimes().draw(rng(1), 3, schedule, []).t)).toEqual(Array.from(t.slice(0, 3)));
  }
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => {
    uniformTimes().draw(rng(1), 3, discrete(10), []);
    uniformTimes().draw(rng(1), 3, CONTINUOUS.rectified!, []);
  }));
