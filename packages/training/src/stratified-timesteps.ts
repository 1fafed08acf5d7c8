import type { TimestepSampler } from './timestep-sampler.js';

/**
 * Evenly spread over the batch from one random start: t_i = ⌊T · ((u + i/size) mod 1)⌋. Each t_i alone is uniform, and
 * the mean over the batch varies much less than with independent draws (Kingma et al. 2021, appendix I.1).
 */
export function stratifiedTimesteps(): TimestepSampler {
  return {
    draw(rng, size, steps) {
      const uniform = rng.uniform([1]);
      const u = uniform.dataSync()[0]!;
      uniform.dispose();
      const t = Int32Array.from({ length: size }, (_, i) => Math.floor(steps * ((u + i / size) % 1)));
      return { t, weights: new Float32Array(size).fill(1) };
    },
  };
}
