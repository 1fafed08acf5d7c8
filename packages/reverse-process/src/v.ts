import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The velocity v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 of Salimans and Ho 2022. `x0`, `epsilon` `[batch, …]`, `t` int32 `[batch]`.
 */
export function vFromX0(
  schedule: NoiseSchedule,
  x0: tf.Tensor,
  t: tf.Tensor1D,
  epsilon: tf.Tensor,
): tf.Tensor {
  const ofEpsilon = schedule.alphaBars.map(Math.sqrt);
  const ofX0 = schedule.alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar));
  return tf.tidy(() =>
    tf.sub(tf.mul(lookup(ofEpsilon, t, x0.rank), epsilon), tf.mul(lookup(ofX0, t, x0.rank), x0)),
  );
}
