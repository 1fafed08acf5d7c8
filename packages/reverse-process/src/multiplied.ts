import {
  type Categorical,
  categorical,
  checkShape,
  type Distribution,
  type Gaussian,
  gaussian,
  logVarianceTensor,
} from '@diffusion-ts/forward-process';
import type { PerExample } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Evaluation } from './evaluation.js';
import type { ReverseProcess } from './reverse-process.js';

/** p(x_s) r(x_s), normalised. `s` is there for an r that changes on the way. */
export type Product<D extends Distribution> = (p: D, s: PerExample) => D;

/**
 * The reverse process of p̃(x_0) ∝ p(x_0) r(x_0), to denoise or to inpaint (Sohl-Dickstein et al. 2015, section 2.5): every
 * p_θ(x_s | x_t) is multiplied by r(x_s). Any sampler goes through it; one of a deterministic kind, which asks for x̂_0
 * alone, does not notice r.
 */
export function multiplied<D extends Distribution>(
  reverse: ReverseProcess<D>,
  product: Product<D>,
): ReverseProcess<D> {
  const withProduct = (evaluation: Evaluation<D>): Evaluation<D> => ({
    x0: () => evaluation.x0(),
    to: (s) => tf.tidy(() => product(evaluation.to(s), s) as D & tf.NamedTensorMap),
    dispose: () => evaluation.dispose(),
  });
  return {
    ...reverse,
    evaluate(xt, t, condition) {
      const evaluation = reverse.evaluate(xt, t, condition);
      return evaluation instanceof Promise ? evaluation.then(withProduct) : withProduct(evaluation);
    },
  };
}

/**
 * Times r = N(y, e^logVariance), exactly: precisions add up, and the mean is that of both weighed by them. A variance is
 * one of each element: small where y is known, and huge (a logarithm of 60, say) where nothing is.
 * @throws RangeError (when multiplied) if the shapes differ.
 */
export function timesGaussian({
  mean: y,
  logVariance,
}: {
  /** y, of the shape of x. */
  mean: tf.Tensor;
  /** ln of the variance of r, of the same shape. */
  logVariance: tf.Tensor;
}): Product<Gaussian> {
  return (p) => {
    checkShape('the mean of r', y, 'the mean of p', p.mean);
    checkShape('the logVariance of r', logVariance, 'the mean of p', p.mean);
    return tf.tidy(() => {
      // The part of r in the whole precision: s(ln σ_p² − ln σ_r²), s the logistic function, of which no exponent is too large.
      const own = tf.mul(tf.onesLike(y), logVarianceTensor(p));
      const part = tf.sigmoid(tf.sub(own, logVariance));
      const mean = tf.add(p.mean, tf.mul(part, tf.sub(y, p.mean)));
      const log = tf.sub(own, tf.softplus(tf.sub(own, logVariance)));
      return gaussian({ mean, logVariance: log }) as Gaussian & tf.NamedTensorMap;
    });
  };
}

/**
 * Times any smooth r, as the paper does: the mean moves by σ² ∂ ln r/∂x, taken at the mean, and the variance stays, which is
 * right where r hardly changes within σ.
 * @param gradLog ∂ ln r/∂x at x, of its shape.
 */
export function timesTilt(gradLog: (x: tf.Tensor, s: PerExample) => tf.Tensor): Product<Gaussian> {
  return (p, s) =>
    tf.tidy(() => {
      const moved = tf.add(p.mean, tf.mul(tf.exp(logVarianceTensor(p)), gradLog(p.mean, s)));
      return gaussian({ mean: moved, logVariance: p.logVariance }) as Gaussian & tf.NamedTensorMap;
    });
}

/**
 * Times an r of each state on its own, `[…, states]`, exactly; r need not sum to 1. Zeros and a one hold a class fast, ones
 * leave it free.
 * @throws RangeError (when multiplied) if the shapes differ.
 */
export function timesCategorical(r: tf.Tensor): Product<Categorical> {
  return ({ probabilities }) => {
    checkShape('r', r, 'the probabilities', probabilities);
    return tf.tidy(() => {
      const product = tf.mul(probabilities, r);
      // Where r forbids all that p allows, r alone is left.
      const sum = tf.sum(product, -1, true);
      const kept = tf.where(tf.greater(tf.mul(sum, tf.onesLike(r)), 0), product, r);
      return categorical(tf.div(kept, tf.sum(kept, -1, true))) as Categorical & tf.NamedTensorMap;
    });
  };
}
