import { checkCount } from './check.js';
import { fromBetas } from './from-betas.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * β_t = 1/(T − t + 1): every step erases the same fraction 1/T of the signal, so ᾱ_t = 1 − t/T (Sohl-Dickstein et al.
 * 2015, section 2.4.1). The last β is 1: there the SNR is 0 and its logarithm −Infinity, both true limits.
 *
 * @throws RangeError where `steps` is no positive integer.
 */
export function constantFraction({
  steps,
}: {
  /** T, the number of steps. */
  steps: number;
}): DiscreteSchedule {
  checkCount('steps', steps);
  return fromBetas(Float64Array.from({ length: steps }, (_, t) => 1 / (steps - t)));
}
