import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * x_0 = (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t, eq. 4 of Ho et al. 2020 solved for x_0. `xt`, `epsilon` `[batch, …]`, `t` int32
 * `[batch]`. Where ᾱ_t = 0 there is no such x_0 and the result is not finite.
 */
export function x0FromEpsilon(
  schedule: NoiseSchedule,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  epsilon: tf.Tensor,
): tf.Tensor {
  const ofXt = schedule.alphaBars.map((alphaBar) => 1 / Math.sqrt(alphaBar));
  const ofEpsilon = schedule.alphaBars.map((alphaBar) => Math.sqrt((1 - alphaBar) / alphaBar));
  return tf.tidy(() =>
    tf.sub(tf.mul(lookup(ofXt, t, xt.rank), xt), tf.mul(lookup(ofEpsilon, t, xt.rank), epsilon)),
  );
}

/** x_0 = √ᾱ_t x_t − √(1 − ᾱ_t) v (Salimans and Ho 2022, appendix D); good at ᾱ_t = 0 too. */
export function x0FromV(schedule: NoiseSchedule, xt: tf.Tensor, t: tf.Tensor1D, v: tf.Tensor): tf.Tensor {
  const ofXt = schedule.alphaBars.map(Math.sqrt);
  const ofV = schedule.alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar));
  return tf.tidy(() => tf.sub(tf.mul(lookup(ofXt, t, xt.rank), xt), tf.mul(lookup(ofV, t, xt.rank), v)));
}

/** The x_0 whose posterior mean μ̃_t(x_t, x_0) is `previous`: eq. 7 of Ho et al. 2020 solved for x_0. */
export function x0FromPrevious(
  schedule: NoiseSchedule,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  previous: tf.Tensor,
): tf.Tensor {
  const { posteriorMeanCoefX0: coefX0, posteriorMeanCoefXt: coefXt } = schedule;
  const ofPrevious = coefX0.map((coef) => 1 / coef);
  const ofXt = coefXt.map((coef, i) => coef / coefX0[i]!);
  return tf.tidy(() =>
    tf.sub(tf.mul(lookup(ofPrevious, t, xt.rank), previous), tf.mul(lookup(ofXt, t, xt.rank), xt)),
  );
}
