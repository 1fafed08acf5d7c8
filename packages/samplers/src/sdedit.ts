import type { Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler } from './sampler.js';
import { checkRng, levelsAt } from './solver.js';

/**
 * SDEdit (Meng et al. 2022): a sampler that starts from images and not from noise. It is given x_0 where others are given
 * x_T, noises it up to the first of the times, and takes the way down from there: what is coarser than that noise stays as it
 * was. Its `rng` draws that noise too.
 * @param make the sampler with these times.
 * @param times where to begin, and where to stop: `lastOf(strength, …)` of another list, or one `startingAt` a time.
 *
 * @throws (when called) as `fromSolver` does, TypeError if there is no `rng`; what `make` throws.
 * @example
 * const edit = sdedit((times) => ddim({ times }), lastOf(0.6, trailing(50))); // the last 30 of the 50 steps
 * const x0 = await finish(edit(reverse, image, { rng: rng(0) }));
 */
export function sdedit(make: (times: Times) => Sampler, times: Times): Sampler {
  const sampler = make(times);
  return (reverse, x0, options = {}) => {
    const [first] = levelsAt(times, reverse);
    const source = checkRng(options.rng).fork('start');
    return begun();

    async function* begun(): ReturnType<Sampler> {
      const xt = tf.tidy(() => reverse.forward.sample(x0, first!.t, reverse.forward.noise(source, x0.shape)));
      try {
        return yield* sampler(reverse, xt, options);
      } finally {
        xt.dispose();
      }
    }
  };
}
