import { normals } from './normals.js';
import { type TimeSampler, timeAt, unweighted } from './time-sampler.js';

/**
 * Logit-normal times (Esser et al. 2024, section 3.1): the part of the schedule, from the data to the noise, is s(z) with
 * z ~ N(mean, deviation²), s the logistic function. The middle of the way, where there is most to learn of a straight
 * path, is drawn most.
 * @throws RangeError if `mean` is no number or `deviation` is not positive.
 */
export function logitNormalTimes({
  mean = 0,
  deviation = 1,
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
      return unweighted(
        normals(rng, size).map((z) => timeAt(schedule, 1 / (1 + Math.exp(-(mean + deviation * z))))),
      );
    },
  };
}
