import {
  continuous,
  linear,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { expect, test } from 'vitest';
import { firstOrder } from '../src/first-order.js';

test('the step keeps x_0 and ε: α′ x_0 + σ′ ε from α x_0 + σ ε, on every schedule and from pure noise', () => {
  for (const [schedule, t, s] of [
    [linear({ steps: 1000 }), 700.5, 20],
    [rescaleToZeroTerminalSnr(linear({ steps: 100 })), 99, 60],
    [continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))), 0.9, 0.2],
    [varianceExploding(), 80, 0.002],
    [rectified(), 1, 0.3],
    [rectified(), 0.4, 0],
  ] as const) {
    const [from, to] = [schedule.level(t), schedule.level(s)];
    const { ofX, ofX0 } = firstOrder(from, to);
    for (const [x0, epsilon] of [
      [0.3, -1.2],
      [-2, 0.7],
    ] as const) {
      const reached = ofX * (from.alpha * x0 + from.sigma * epsilon) + ofX0 * x0;
      expect(Math.abs(reached - (to.alpha * x0 + to.sigma * epsilon))).toBeLessThan(1e-13);
    }
  }
});

test('of ᾱ from 0.5 to 0.8 the factors are √(0.2/0.5) and √0.8 − √0.5 √(0.2/0.5)', () => {
  const level = (alphaBar: number) => ({
    t: 0,
    alpha: Math.sqrt(alphaBar),
    sigma: Math.sqrt(1 - alphaBar),
    logSnr: Math.log(alphaBar / (1 - alphaBar)),
  });
  const { ofX, ofX0 } = firstOrder(level(0.5), level(0.8));
  expect(ofX).toBeCloseTo(0.632456, 6);
  expect(ofX0).toBeCloseTo(0.894427 - 0.447214, 5);
});
