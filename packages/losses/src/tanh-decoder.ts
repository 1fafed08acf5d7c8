import * as tf from '@tensorflow/tfjs-core';
import { binsOf, isPositive } from './bins.js';
import type { Decoder } from './decoder.js';

/**
 * For integer data k/127.5 − 1, the mass that the Gaussian gives to the bin of width 1/127.5 around x_0, the outer bins
 * reaching to infinity (Ho et al. 2020, eq. 13), as the published numbers of DDPM and improved DDPM have it: the
 * Gaussian's CDF is approximated by Φ(z) ≈ ½ (1 + tanh(√(2/π) (z + 0.044715 z³))), off by up to 3e-4, its argument is
 * clipped to ±8 deviations, and a mass below 1e-12 counts as 1e-12. What is missed by more than seven deviations is so
 * counted for less than it costs, and has no gradient: a sum with it is no bound. `erfDecoder` has neither clip nor floor.
 */
export const tanhDecoder: Decoder = (p, x0) =>
  tf.tidy(() => {
    const { middle, half, lowest, highest } = binsOf(p, x0);
    const clip = (edge: tf.Tensor) => tf.clipByValue(edge, -LIMIT, LIMIT);
    const lower = tf.where(lowest, -LIMIT, clip(tf.sub(middle, half)));
    const upper = tf.where(highest, LIMIT, clip(tf.add(middle, half)));

    // With s the logistic function, s(a) − s(b) = s(a) s(−b) (1 − e^(b−a)): a small mass keeps its digits, where the
    // difference of two CDFs near 1 would have none. ln s(x) is −softplus(−x).
    const a = logitOfTanhCdf(upper);
    const b = logitOfTanhCdf(lower);
    // Both edges may lie at infinity: the least positive width keeps the gradient finite under the floor below.
    const width = tf.maximum(tf.sub(a, b), 1e-12);
    const mass = tf.sub(logOneMinusExp(width), tf.add(tf.softplus(tf.neg(a)), tf.softplus(b)));
    return tf.maximum(mass, LEAST_LOG_MASS);
  });

/** Beyond it a standard normal has less than 1e-15 of its mass: ±8 stands for ±∞. */
const LIMIT = 8;
const LEAST_LOG_MASS = Math.log(1e-12);

/** ln(Φ(z) / (1 − Φ(z))) of the approximate CDF: a polynomial. */
export function logitOfTanhCdf(z: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.mul(tf.mul(z, tf.add(tf.mul(tf.square(z), 0.044715), 1)), Math.sqrt(8 / Math.PI)));
}

/**
 * ln(1 − e^−w) of w > 0. The small ones, of a Gaussian much wider than its bins, are summed by their series: what WebGPU
 * and WebGL call expm1 is exp − 1, which leaves none of their digits.
 */
function logOneMinusExp(w: tf.Tensor): tf.Tensor {
  const small = tf.minimum(w, 0.5);
  // (1 − e^−w)/w = 1 − w/2 (1 − w/3 (1 − w/4 (…))), as far as float32 sees.
  let series: tf.Tensor = tf.onesLike(small);
  for (let n = 9; n >= 2; n--) series = tf.sub(1, tf.mul(series, tf.mul(small, 1 / n)));
  const near = tf.add(tf.log(small), tf.log(series));
  const far = tf.log(tf.sub(1, tf.exp(tf.neg(tf.maximum(w, 0.5)))));
  return tf.where(isPositive(tf.sub(w, 0.5)), far, near);
}
