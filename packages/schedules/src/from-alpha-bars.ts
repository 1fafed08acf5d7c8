import { checkCount, checkFunction } from './check.js';
import { fromBetas } from './from-betas.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * The schedule of a continuous ᾱ(u): β_t = min(1 − f((t+1)/T) / f(t/T), maxBeta), eq. 17 and below of Nichol &
 * Dhariwal 2021. Only ratios of f count, so f(0) need not be 1.
 *
 * @param f ᾱ as a strictly decreasing positive function on [0, 1]; f(1) = 0 is allowed.
 * @throws TypeError where f is no function; RangeError where `steps` is no positive integer, `maxBeta` is out of range, or f is not as above.
 */
export function fromAlphaBars(
  f: (u: number) => number,
  {
    steps,
    maxBeta = 1,
  }: {
    /** T, the number of steps. */
    steps: number;
    /** Keeps β from a singularity at the end; in (0, 1], default 1, which clips nothing. */
    maxBeta?: number;
  },
): DiscreteSchedule {
  checkFunction('f', f, 'a function of u in [0, 1]');
  checkCount('steps', steps);
  if (!(maxBeta > 0 && maxBeta <= 1)) {
    throw new RangeError(`maxBeta is ${maxBeta}, expected a number in (0, 1]`);
  }
  const betas = new Float64Array(steps);
  let previous = f(0);
  for (let t = 0; t < steps; t++) {
    const next = f((t + 1) / steps);
    if (!(previous > next && next >= 0 && previous < Number.POSITIVE_INFINITY)) {
      throw new RangeError(
        `f goes from ${previous} at ${t}/${steps} to ${next} at ${t + 1}/${steps}, expected it to decrease and stay positive`,
      );
    }
    betas[t] = Math.min(1 - next / previous, maxBeta);
    previous = next;
  }
  return fromBetas(betas);
}
