import { between, type NoiseLevel, type Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { brownianTree } from './brownian-tree.js';
import { halfway } from './halfway.js';
import type { NoiseSource } from './noise.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpmSolverPlusPlus2SSde` stops on its way, and where its noise comes from. */
export interface DpmSolverPlusPlus2SSdeOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** What its noise is made by; default `brownianTree`, by which it is the same in any number of steps. */
  readonly noise?: NoiseSource;
}

/**
 * SDE-DPM-Solver++ 2S, the singlestep solver of the diffusion SDE in x̂_0 that k-diffusion calls dpmpp_sde, with its r = ½:
 * the step of first order (SDE-DPM-Solver++ 1 of Lu et al. 2022, which is a draw of the posterior q(x_s | x_t, x̂_0)) to
 * the middle in λ, and from the start once more with the x̂_0 seen there. The noise half-way is the first part of that of
 * the whole step. Two evaluations of the network a step, one in the last and in one from pure noise, which has no middle.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function dpmSolverPlusPlus2SSde({
  times,
  noise = brownianTree,
}: DpmSolverPlusPlus2SSdeOptions = {}): Sampler {
  return fromSolver(
    async ({ x, x0, from, to, schedule, x0At, own, noise }) => {
      const step = (level: NoiseLevel, x0: tf.Tensor): tf.Tensor => {
        const { ofXt, ofX0, variance } = between(level, from);
        const mean = [tf.mul(ofXt, x), tf.mul(ofX0, x0)];
        return tf.addN(variance === 0 ? mean : [...mean, tf.mul(Math.sqrt(variance), noise(from, level))]);
      };
      const mid = halfway(from, to, schedule);
      const seen =
        mid === undefined
          ? x0
          : await x0At(
              own(() => step(mid, x0)),
              mid,
            );
      return own(() => step(to, seen));
    },
    { times, noise },
  );
}
