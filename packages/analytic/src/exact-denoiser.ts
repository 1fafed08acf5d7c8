import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { type Denoiser, lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ExactPrediction } from './distribution.js';

/** A conditional mean or a score at the noise levels `alphaBars[t]`. */
export type AtNoiseLevel = (alphaBars: Float64Array, xt: tf.Tensor, t: tf.Tensor1D) => tf.Tensor;

/** The network that says what E[x_0 | x_t] and the score imply: E[ε | x_t] = −√(1 − ᾱ_t) ∇ ln q(x_t). */
export function exactDenoiser(
  x0: AtNoiseLevel,
  score: AtNoiseLevel,
  schedule: NoiseSchedule,
  predicts: ExactPrediction,
): Denoiser {
  const alphaBars = byTimestep(schedule);
  const signal = alphaBars.map(Math.sqrt);
  const sigma = alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar));
  const epsilon: Denoiser = (xt, t) =>
    tf.tidy(() => tf.mul(lookup(sigma, t, xt.rank), tf.neg(score(alphaBars, xt, t))));
  switch (predicts) {
    case 'epsilon':
      return epsilon;
    case 'x0':
      return (xt, t) => x0(alphaBars, xt, t);
    case 'v':
      return (xt, t) =>
        tf.tidy(() =>
          tf.sub(
            tf.mul(lookup(signal, t, xt.rank), epsilon(xt, t)),
            tf.mul(lookup(sigma, t, xt.rank), x0(alphaBars, xt, t)),
          ),
        );
  }
}

/** ᾱ by what the network is told instead of by index; NaN at timesteps that the schedule does not have. */
function byTimestep({ timesteps, alphaBars }: NoiseSchedule): Float64Array {
  const odd = timesteps.find((timestep) => !Number.isInteger(timestep));
  if (odd !== undefined) throw new RangeError(`schedule.timesteps must be whole numbers, but one is ${odd}`);
  const table = new Float64Array(Math.max(...timesteps) + 1).fill(Number.NaN);
  timesteps.forEach((timestep, i) => {
    table[timestep] = alphaBars[i]!;
  });
  return table;
}
