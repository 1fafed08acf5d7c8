import { rectified, varianceExploding } from '@diffusion-ts/schedules';
import { expect, test } from 'vitest';
import { lossByQuartile } from '../src/loss-by-quartile.js';
import { discrete } from './schedules.js';

test('each quarter of the schedule has the weighted mean of its own examples', () => {
  const t = Float64Array.of(0, 249, 250, 499, 999, 750);
  const losses = [1, 3, 5, 9, 20, 10];
  const weights = [1, 3, 1, 1, 0.5, 2];
  expect(lossByQuartile(discrete(1000), t, losses, weights)).toEqual([
    (1 + 9) / 4,
    7,
    undefined,
    (10 + 20) / 2.5,
  ]);
});

test('a schedule that four does not divide has its quarters cut where they fall', () => {
  // T = 6: quarters end at 1.5, 3, 4.5 and 6.
  const t = Float64Array.of(0, 1, 2, 3, 4, 5);
  expect(lossByQuartile(discrete(6), t, [1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1])).toEqual([1.5, 3, 4.5, 6]);
});

test('times between the whole ones fall where they are, and those before the first in the first quarter', () => {
  const t = Float64Array.of(-0.5, 1.75, 2.25, 7.5, 8 - 1e-9);
  expect(lossByQuartile(discrete(8), t, [1, 3, 5, 7, 9], [1, 1, 1, 1, 1])).toEqual([2, 5, undefined, 8]);
});

test('in continuous time a quarter is one of the straight way from the data to the noise, the last with its end', () => {
  const losses = [1, 2, 3, 4, 5, 6];
  const weights = [1, 1, 1, 2, 1, 1];
  const quarters = [1.5, 3, 4, 5.5];
  const t = Float64Array.of(0.01, 0.2499, 0.25, 0.5, 0.75, 1);
  expect(lossByQuartile(rectified(), t, losses, weights)).toEqual(quarters);
  // σ = t/(1 − t): quarters end at 1/3, 1 and 3.
  const sigmas = Float64Array.of(0.01, 0.333, 0.334, 1, 3, 80);
  expect(lossByQuartile(varianceExploding(), sigmas, losses, weights)).toEqual(quarters);
});
