import { checkFunction } from './check.js';
import { checkTime, dataLevel, preservingLevel, tooNoisy } from './level.js';
import type { NoiseLevel, NoiseSchedule } from './schedule.js';

const ENDS = { start: 0, end: 1 };
/** As in score-based models (Song et al. 2021, appendix C): nearer to the data there is nothing to see. */
const LEAST = 1e-3;

/**
 * A variance-preserving schedule of continuous time u ∈ [0, 1] with the log-SNR given (Kingma et al. 2021, section 3):
 * α² = s(λ), σ² = s(−λ), s the logistic function. Time 0 is the data, whatever `logSnr(0)` is.
 *
 * @param logSnr a strictly decreasing function on [0, 1]; it may be ∞ at 0 and −∞ at 1.
 * @throws TypeError where it is none; RangeError where it does not decrease between 0, ½ and 1.
 * @example
 * const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
 */
export function continuous(logSnr: (u: number) => number): NoiseSchedule {
  checkFunction('logSnr', logSnr, 'a function of u in [0, 1]');
  const [first, middle, last] = [logSnr(0), logSnr(0.5), logSnr(1)];
  if (!(first > middle && middle > last)) {
    throw new RangeError(`logSnr goes from ${first} over ${middle} to ${last}, expected it to decrease`);
  }
  const level = (u: number): NoiseLevel => (u === 0 ? dataLevel(0) : preservingLevel(u, logSnr(u)));
  return {
    ...ENDS,
    least: LEAST,
    level(u) {
      checkTime(u, ENDS);
      return level(u);
    },
    timeOf(wanted) {
      if (!(wanted >= last)) throw tooNoisy(wanted, level(1));
      if (wanted === Number.POSITIVE_INFINITY) return 0;
      if (wanted > first) {
        throw new RangeError(
          `logSnr is ${wanted}, expected at most ${first}, from where the schedule leaps to the data, or Infinity`,
        );
      }
      return bisect((u) => logSnr(u) > wanted);
    },
  };
}

/** Where a condition that holds at 0 and not at 1 ceases to hold, to the last bit. */
function bisect(holds: (u: number) => boolean): number {
  let [low, high] = [0, 1];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return high;
    if (holds(middle)) low = middle;
    else high = middle;
  }
}
