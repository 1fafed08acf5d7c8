import { expect, test } from 'vitest';
import { lossByQuartile } from '../src/loss-by-quartile.js';

test('each quarter of the schedule has the weighted mean of its own examples', () => {
  const t = Int32Array.of(0, 249, 250, 499, 999, 750);
  const losses = [1, 3, 5, 9, 20, 10];
  const weights = [1, 3, 1, 1, 0.5, 2];
  expect(lossByQuartile(1000, t, losses, weights)).toEqual([(1 + 9) / 4, 7, undefined, (10 + 20) / 2.5]);
});

test('a schedule that four does not divide has its quarters cut where they fall', () => {
  // T = 6: quarters end at 1.5, 3, 4.5 and 6.
  expect(lossByQuartile(6, Int32Array.of(0, 1, 2, 3, 4, 5), [1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1])).toEqual([
    1.5, 3, 4.5, 6,
  ]);
});
