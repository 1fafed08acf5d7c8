import { checkList } from './check.js';
import type { DiscreteSchedule } from './schedule.js';
import { tabulated } from './tabulated.js';

/**
 * The schedule with these β_t, from the first step to the last.
 *
 * @param betas each in (0, 1); the last one may be 1, which leaves nothing of x_0 (zero terminal SNR).
 * @throws TypeError where `betas` is no list of numbers; RangeError where `betas` is empty or a β is out of range.
 */
export function fromBetas(betas: ArrayLike<number>): DiscreteSchedule {
  checkList('betas', betas);
  if (betas.length === 0) throw new RangeError('betas is empty, expected at least one β');
  const table = Float64Array.from(betas);
  let alphaBar = 1;
  const alphaBars = table.map((beta) => {
    alphaBar *= 1 - beta;
    return alphaBar;
  });
  return tabulated(table, alphaBars);
}
