import { checkPositive } from './check.js';
import { fromAlphaBars } from './from-alpha-bars.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * ᾱ(u) = (σ(end/τ) − σ((start + u (end − start))/τ)) / (σ(end/τ) − σ(start/τ)), σ the logistic function: the sigmoid
 * schedule of Chen 2023, "On the importance of noise scheduling". It is a sigmoid in ᾱ, not in β.
 *
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
  /** T, the number of steps. */
  steps: number;
  /** Where on the sigmoid the data are, below `end`; default −3. */
  start?: number;
  /** Where on it the noise is; default 3. */
  end?: number;
  /** τ, the temperature, positive: the greater, the nearer ᾱ is to a straight line. Default 1. */
  tau?: number;
  /** Clips β near the end, where ᾱ reaches 0; in (0, 1], default 0.999. */
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
