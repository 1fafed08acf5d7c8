import type { Respacing } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { respaced } from './respaced.js';
import type { Sampler } from './sampler.js';
import { descending, walk } from './walk.js';

export interface AncestralOptions {
  /** Which steps of the schedule to take, as in `respace`; all of them by default. */
  readonly steps?: Respacing;
}

/**
 * Ancestral sampling, algorithm 2 of Ho et al. 2020: x_{t−1} = μ_θ(x_t, t) + σ_t z, with no noise in the last step. The
 * mean and the variance are those of `reverse.transition`, so learned variances and clipping are the process's own; with
 * `steps` they are those of the respaced process (section 4 of Nichol & Dhariwal 2021).
 *
 * @throws RangeError (when the sampler is called) if the schedule cannot be respaced that way, or if what the network
 * predicts (the previous mean, 'learned' variances) holds for the steps of its own schedule alone.
 */
export function ancestral({ steps }: AncestralOptions = {}): Sampler {
  return (reverse, xT, { rng, signal, condition }) => {
    if (steps !== undefined && reverse.variance === 'learned') {
      throw new RangeError(
        `steps is ${JSON.stringify(steps)}, but 'learned' variances are those of the steps that the network was trained on: leave steps out, or sample with ddim`,
      );
    }
    const process = respaced(reverse, steps);
    const { schedule } = process.forward;
    return walk(xT, descending(schedule.steps), schedule.timesteps, signal, (xt, t, index) => {
      const { mean, variance, x0 } = process.transition(xt, t, condition);
      if (index === 0) return { x0, next: mean };
      return { x0, next: tf.add(mean, tf.mul(tf.sqrt(variance), rng.normal(xt.shape))) };
    });
  };
}
