import { type NormalOptions, normals } from './normals.js';
import { type TimeSampler, timeAt, unweighted } from './time-sampler.js';

/**
 * Logit-normal times (Esser et al. 2024, section 3.1): the part of the schedule, from the data to the noise, is s(z) with
 * z ~ N(mean, deviation²), 0 and 1 by default, and s the logistic function. The middle of the way, where there is most to
 * learn of a straight path, is drawn most.
 * @throws RangeError if the mean is no number or the deviation is not positive.
 */
export function logitNormalTimes({ mean = 0, deviation = 1 }: NormalOptions = {}): TimeSampler {
  const logits = normals({ mean, deviation });
  return {
    draw: (rng, size, schedule) =>
      unweighted(logits(rng, size).map((z) => timeAt(schedule, 1 / (1 + Math.exp(-z))))),
  };
}
