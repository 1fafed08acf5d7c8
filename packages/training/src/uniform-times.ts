import { type TimeSampler, timeAt, unweighted } from './time-sampler.js';

/** Every time with the same probability, each example on its own (Ho et al. 2020, algorithm 1). */
export function uniformTimes(): TimeSampler {
  return {
    draw(rng, size, schedule) {
      if (schedule.steps === undefined) {
        // 1 − u is never 0: the data themselves are not drawn.
        return unweighted(rng.doubles(size).map((u) => timeAt(schedule, 1 - u)));
      }
      const t = rng.integers([size], schedule.steps);
      const values = Float64Array.from(t.dataSync());
      t.dispose();
      return unweighted(values);
    },
  };
}
