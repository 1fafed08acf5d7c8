import { normals } from './normals.js';
import { type TimeSampler, unweighted } from './time-sampler.js';

/**
 * The noise distribution of Karras et al. 2022, table 1: ln(σ/α) ~ N(mean, deviation²), on any schedule. What lies beyond
 * its least or its most noise is drawn there.
 * @throws RangeError if `mean` is no number or `deviation` is not positive.
 */
export function logNormalSigma({
  mean = -1.2,
  deviation = 1.2,
}: {
  mean?: number;
  deviation?: number;
} = {}): TimeSampler {
  if (!Number.isFinite(mean)) throw new RangeError(`mean must be a number, not ${mean}`);
  if (!(deviation > 0 && deviation < Infinity)) {
    throw new RangeError(`deviation must be a positive number, not ${deviation}`);
  }
  return {
    draw(rng, size, schedule) {
      const most = schedule.level(schedule.least).logSnr;
      const least = schedule.level(schedule.end).logSnr;
      return unweighted(
        normals(rng, size).map((z) => {
          const logSnr = -2 * (mean + deviation * z);
          return schedule.timeOf(Math.min(Math.max(logSnr, least), most));
        }),
      );
    },
  };
}
