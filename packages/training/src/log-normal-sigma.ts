import { type NormalOptions, normals } from './normals.js';
import { type TimeSampler, unweighted } from './time-sampler.js';

/**
 * The noise distribution of Karras et al. 2022, table 1: ln(σ/α) ~ N(mean, deviation²), −1.2 and 1.2 by default, on any
 * schedule. What lies beyond its least or its most noise is drawn there.
 * @throws RangeError if the mean is no number or the deviation is not positive.
 */
export function logNormalSigma({ mean = -1.2, deviation = 1.2 }: NormalOptions = {}): TimeSampler {
  const logSigmas = normals({ mean, deviation });
  return {
    draw(rng, size, schedule) {
      const most = schedule.level(schedule.least).logSnr;
      const least = schedule.level(schedule.end).logSnr;
      const timeOf = (logSigma: number): number =>
        schedule.timeOf(Math.min(Math.max(-2 * logSigma, least), most));
      return unweighted(logSigmas(rng, size).map(timeOf));
    },
  };
}
