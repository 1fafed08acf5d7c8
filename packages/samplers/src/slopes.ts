import { axpby } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { firstOrderStep } from './first-order.js';
import type { Past, SolverStep } from './solver.js';

/**
 * The step x_s/α_s = x_t/α_t + Σ c_k ε̂_k of a method that remembers slopes, d(x/α)/d(σ/α) = ε̂, where the c_k add up to the
 * change of σ/α: Euler's step, and how the slopes before differ from the one here. So it is Euler's where nothing is
 * remembered, from pure noise too.
 * @param ofPast c_1, c_2 …, of the steps before, the newest first.
 */
export function slopeStep(step: SolverStep, ofPast: readonly number[]): tf.Tensor {
  const { x, x0, from, to, history } = step;
  const terms = ofPast.map((c, k) => {
    const change = tf.sub(slope(history[k]!), slope({ level: from, x, x0 }));
    return tf.mul(to.alpha * c, change);
  });
  return tf.addN([firstOrderStep(step), ...terms]);
}

/** ε̂, the slope of x/α over σ/α. */
function slope({ level: { alpha, sigma }, x, x0 }: Past): tf.Tensor {
  return axpby(1 / sigma, x, -alpha / sigma, x0);
}
