import type { Respacing } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { respaced } from './respaced.js';
import type { Sampler } from './sampler.js';
import { walk } from './walk.js';

export interface DdimInversionOptions {
  /** Which steps of the schedule to take, as in `respace`; all of them by default. */
  readonly steps?: Respacing;
}

/**
 * DDIM backwards, from data to the noise that `ddim` with the same steps and η = 0 turns into them: it is given x_0
 * where a sampler is given x_T, and returns x_T. Each step solves eq. 12 of Song, Meng & Ermon 2021 (σ = 0) for x_t with
 * ε̂(x_t, t) replaced by ε̂(x_{t−1}, t), so going there and back misses by O(1/steps). Draws nothing from `rng`.
 *
 * @throws RangeError (when called) if the schedule cannot be respaced that way, or if the network predicts the previous mean
 * and `steps` are given.
 */
export function ddimInversion({ steps }: DdimInversionOptions = {}): Sampler {
  return (reverse, x0, { signal, condition }) => {
    const process = respaced(reverse, steps);
    const { schedule } = process.forward;
    const ascending = Array.from({ length: schedule.steps }, (_, t) => t);
    return walk(x0, ascending, schedule.timesteps, signal, (xPrev, t, index) => {
      const { epsilon } = process.predict(xPrev, t, condition);
      const alphaBarPrev = schedule.alphaBarsPrev[index]!;
      const alphaBar = schedule.alphaBars[index]!;
      const x0 = tf.div(tf.sub(xPrev, tf.mul(Math.sqrt(1 - alphaBarPrev), epsilon)), Math.sqrt(alphaBarPrev));
      return { x0, next: tf.add(tf.mul(Math.sqrt(alphaBar), x0), tf.mul(Math.sqrt(1 - alphaBar), epsilon)) };
    });
  };
}
