import { checkPositive } from './check.js';
import { checkTime, dataLevel, tooNoisy } from './level.js';
import type { NoiseLevel, NoiseSchedule } from './schedule.js';

/**
 * The schedule of Karras et al. 2022 (EDM): x_t = x_0 + σ ε, and time is σ itself, up to `sigmaMax`. Lists of times end
 * with `sigmaMin` before the data.
 *
 * @throws RangeError where one is not positive, or sigmaMin is not below sigmaMax.
 */
export function varianceExploding({
  sigmaMin = 0.002,
  sigmaMax = 80,
}: {
  /** The least σ worth a step, positive; default 0.002, as in the paper. */
  sigmaMin?: number;
  /** The σ of x_T; default 80, as in the paper: x_T is all but independent of data of the size 0.5. */
  sigmaMax?: number;
} = {}): NoiseSchedule {
  checkPositive('sigmaMin', sigmaMin);
  checkPositive('sigmaMax', sigmaMax);
  if (sigmaMin >= sigmaMax) {
    throw new RangeError(`sigmaMin is ${sigmaMin}, expected less than sigmaMax, which is ${sigmaMax}`);
  }
  const ends = { start: 0, end: sigmaMax };
  const level = (sigma: number): NoiseLevel =>
    sigma === 0 ? dataLevel(0) : { t: sigma, alpha: 1, sigma, logSnr: -2 * Math.log(sigma) };
  return {
    ...ends,
    least: sigmaMin,
    level(t) {
      checkTime(t, ends);
      return level(t);
    },
    timeOf(logSnr) {
      const last = level(sigmaMax);
      if (!(logSnr >= last.logSnr)) throw tooNoisy(logSnr, last);
      return logSnr === last.logSnr ? sigmaMax : Math.exp(-logSnr / 2);
    },
  };
}
