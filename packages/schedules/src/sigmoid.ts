import { checkPositive } from './check.js';
import { fromAlphaBars } from './from-alpha-bars.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * ᾱ(u) = (σ(end/τ) − σ((start + u (end − start))/τ)) / (σ(end/τ) − σ(start/τ)), σ the logistic function: the sigmoid
 * schedule of Chen 2023, "On the importance of noise scheduling". It is a sigmoid in ᾱ, not in β.
 *
 * @param options.maxBeta clips β near the end, where ᾱ reaches 0; 0.999 by default.
 * @throws RangeError where `steps` is no positive integer, `start` ≥ `end`, `tau` ≤ 0, `maxBeta` is not in (0, 1], or
 * `tau` is so small that ᾱ no longer falls from one step to the next.
 */
export function sigmoid({
  steps,
  start = -3,
  end = 3,
  tau = 1,
  maxBeta = 0.999,
}: {
  steps: number;
  start?: number;
  end?: number;
  tau?: number;
  maxBeta?: number;
}): DiscreteSchedule {
  if (!(start < end && Number.isFinite(end - start))) {
    throw new RangeError(`start is ${start} and end is ${end}, expected start to be the lower one`);
  }
  checkPositive('tau', tau);
  const logistic = (x: number): number => 1 / (1 + Math.exp(-x / tau));
  const low = logistic(start);
  const high = logistic(end);
  const alphaBar = (u: number): number => (high - logistic(start + u * (end - start))) / (high - low);
  return fromAlphaBars(alphaBar, { steps, maxBeta });
}
