import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * ε = (x_t − √ᾱ_t x_0) / √(1 − ᾱ_t), eq. 4 of Ho et al. 2020 solved for ε. `xt`, `x0` `[batch, …]`, `t` int32
 * `[batch]`.
 */
export function epsilonFromX0(
  schedule: NoiseSchedule,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  x0: tf.Tensor,
): tf.Tensor {
  const ofXt = schedule.alphaBars.map((alphaBar) => 1 / Math.sqrt(1 - alphaBar));
  const ofX0 = schedule.alphaBars.map((alphaBar) => Math.sqrt(alphaBar / (1 - alphaBar)));
  return tf.tidy(() => tf.sub(tf.mul(lookup(ofXt, t, xt.rank), xt), tf.mul(lookup(ofX0, t, xt.rank), x0)));
}

/** ε = √(1 − ᾱ_t) x_t + √ᾱ_t v (Salimans and Ho 2022, appendix D). */
export function epsilonFromV(
  schedule: NoiseSchedule,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  v: tf.Tensor,
): tf.Tensor {
  const ofXt = schedule.alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar));
  const ofV = schedule.alphaBars.map(Math.sqrt);
  return tf.tidy(() => tf.add(tf.mul(lookup(ofXt, t, xt.rank), xt), tf.mul(lookup(ofV, t, xt.rank), v)));
}
