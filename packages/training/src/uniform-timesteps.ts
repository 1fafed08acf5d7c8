import type { TimestepSampler } from './timestep-sampler.js';

/** Every timestep with the same probability, each example on its own (Ho et al. 2020, algorithm 1). */
export function uniformTimesteps(): TimestepSampler {
  return {
    draw(rng, size, steps) {
      const t = rng.integers([size], steps);
      const values = Int32Array.from(t.dataSync());
      t.dispose();
      return { t: values, weights: new Float32Array(size).fill(1) };
    },
  };
}
