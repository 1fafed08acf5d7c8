import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { stratifiedTimes } from '../src/stratified-times.js';
import { expectUniform } from './moments.js';
import { CONTINUOUS, DISCRETE, discrete } from './schedules.js';

beforeAll(() => useBackend('cpu'));

test('each of eight equal parts of the schedule gets exactly one of eight examples', () => {
  for (const schedule of [...Object.values(DISCRETE), ...Object.values(CONTINUOUS)]) {
    const { steps, end } = schedule;
    for (let seed = 0; seed < 50; seed++) {
      const { t, weights } = stratifiedTimes().draw(rng(seed), 8, schedule, []);
      const parts = Array.from(t, (time) =>
        steps === undefined ? Math.ceil((8 * time) / end) - 1 : Math.floor((8 * time) / steps),
      );
      expect(parts.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(Array.from(weights)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    }
  }
});

test('the time of one example is uniform over a discrete schedule', () => {
  const draws = 4000;
  const counts = [0, 0, 0, 0];
  for (let seed = 0; seed < draws; seed++) {
    const { t } = stratifiedTimes().draw(rng(seed), 3, discrete(4), []);
    counts[t[1]!]! += 1;
  }
  for (const count of counts) {
    expect(Math.abs(count - draws / 4)).toBeLessThan(4 * Math.sqrt((draws * 3) / 16));
  }
});

for (const [name, schedule] of Object.entries(DISCRETE)) {
  test(`on ${name} the times are ⌊T ((u + i/size) mod 1)⌋ of one uniform number, as they always were`, () => {
    const steps = schedule.steps!;
    for (let seed = 0; seed < 20; seed++) {
      const u = tf.tidy(() => rng(seed).uniform([1]).dataSync()[0]!);
      const expected = Array.from({ length: 7 }, (_, i) => Math.floor(steps * ((u + i / 7) % 1)));
      expect(Array.from(stratifiedTimes().draw(rng(seed), 7, schedule, []).t)).toEqual(expected);
    }
  });
}

for (const [name, schedule] of Object.entries(CONTINUOUS)) {
  test(`on ${name}, of continuous time, that of one example is uniform over all of it but the data`, () => {
    const { start, end } = schedule;
    const times = Array.from({ length: 4000 }, (_, seed) =>
      stratifiedTimes().draw(rng(seed), 3, schedule, []),
    );
    for (const i of [0, 1, 2]) {
      expectUniform(
        times.map(({ t }) => t[i]!),
        start,
        end,
      );
    }
    // Even where the random start is 0, and some example stands on it.
    const zero = { ...rng(0), uniform: () => tf.tensor1d([0]) };
    const { t } = stratifiedTimes().draw(zero, 4, schedule, []);
    expect(Array.from(t)).toEqual([end, 0.75 * end, 0.5 * end, 0.25 * end]);
  });
}

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => {
    stratifiedTimes().draw(rng(1), 3, discrete(10), []);
    stratifiedTimes().draw(rng(1), 3, CONTINUOUS.rectified!, []);
  }));
