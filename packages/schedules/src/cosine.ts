import { fromAlphaBars } from './from-alpha-bars.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * ᾱ(u) ∝ cos²((u + offset) / (1 + offset) · π/2), eq. 17 of Nichol & Dhariwal 2021.
 *
 * @throws RangeError where `steps` is no positive integer, `offset` is negative, or `maxBeta` is not in (0, 1].
 */
export function cosine({
  steps,
  offset = 0.008,
  maxBeta = 0.999,
}: {
  /** T, the number of steps. */
  steps: number;
  /** Keeps β_1 from vanishing, from 0 up; default 0.008, as in the paper. */
  offset?: number;
  /** Clips β near the end, where ᾱ reaches 0; in (0, 1], default 0.999, as in the paper. */
  maxBeta?: number;
}): DiscreteSchedule {
  if (!(offset >= 0 && offset < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`offset is ${offset}, expected a number of at least 0`);
  }
  const alphaBar = (u: number): number => Math.cos((((u + offset) / (1 + offset)) * Math.PI) / 2) ** 2;
  return fromAlphaBars(alphaBar, { steps, maxBeta });
}
