import { type TimeSampler, timeAt, unweighted } from './time-sampler.js';

/**
 * Evenly spread over the batch from one random start, at the parts (u + i/size) mod 1 of the schedule. Each time alone is
 * uniform, and the mean over the batch varies much less than with independent draws (Kingma et al. 2021, appendix I.1).
 */
export function stratifiedTimes(): TimeSampler {
  return {
    draw(rng, size, schedule) {
      const uniform = rng.uniform([1]);
      const u = uniform.dataSync()[0]!;
      uniform.dispose();
      // In continuous time the other way around, since 1 − u is never 0: the data themselves are not drawn.
      const part = (i: number): number => (u + i / size) % 1;
      const at = (i: number): number => (schedule.steps === undefined ? 1 - part(i) : part(i));
      return unweighted(Float64Array.from({ length: size }, (_, i) => timeAt(schedule, at(i))));
    },
  };
}
