import { type Distribution, type Gaussian, logVarianceTensor } from '@diffusion-ts/forward-process';
import * as tf from '@tensorflow/tfjs-core';
import { type LogitOfNormalCdf, logitOfErfCdf, logitOfTanhCdf, NORMAL_LIMIT } from './normal-cdf.js';

/**
 * ln p_θ(x_0 | x_1) in nats, element by element, from the distribution `p` that the reverse process ends with: the last
 * factor of the bound.
 */
export type Decoder<D extends Distribution = Gaussian> = (p: D, x0: tf.Tensor) => tf.Tensor;

/** What the distribution itself says: a density where x_0 is continuous. */
export const logProb: Decoder<Distribution> = (p, x0) => p.logProb(x0);

/**
 * For integer data k/127.5 − 1, the mass that the Gaussian gives to the bin of width 1/127.5 around x_0, the outer bins
 * reaching to infinity (Ho et al. 2020, eq. 13). The Gaussian's CDF is approximated by a tanh, as the published numbers
 * are, and a mass below 1e-12 counts as 1e-12, as in the published numbers.
 */
export const tanhDecoder: Decoder = (p, x0) => binLogMass(logitOfTanhCdf, x0, p);

/** The same with the Gaussian's own CDF. */
export const erfDecoder: Decoder = (p, x0) => binLogMass(logitOfErfCdf, x0, p);

const HALF_BIN = 1 / 255;
const LEAST_LOG_MASS = Math.log(1e-12);
// Between the outermost grey values ±1 and their neighbours.
const OUTERMOST = 1 - HALF_BIN;
// As in `gaussian`: a thinner one is a point to the bins, and the inverse of its deviation has no place in float32.
const LEAST_LOG_VARIANCE = -80;

function binLogMass(logit: LogitOfNormalCdf, x0: tf.Tensor, p: Gaussian): tf.Tensor {
  return tf.tidy(() => {
    const inverseDeviation = tf.exp(tf.mul(tf.maximum(logVarianceTensor(p), LEAST_LOG_VARIANCE), -0.5));
    const z = tf.mul(tf.sub(x0, p.mean), inverseDeviation);
    const half = tf.mul(inverseDeviation, HALF_BIN);
    const clip = (edge: tf.Tensor) => tf.clipByValue(edge, -NORMAL_LIMIT, NORMAL_LIMIT);
    const lower = tf.where(tf.less(x0, -OUTERMOST), -NORMAL_LIMIT, clip(tf.sub(z, half)));
    const upper = tf.where(tf.greater(x0, OUTERMOST), NORMAL_LIMIT, clip(tf.add(z, half)));

    // With s the logistic function, s(a) − s(b) = s(a) s(−b) (1 − e^(b−a)): a small mass keeps its digits, where the
    // difference of two CDFs near 1 would have none. ln s(x) is −softplus(−x).
    const a = logit(upper);
    const b = logit(lower);
    // Both edges may lie at infinity: the least positive width keeps the gradient finite under the floor below.
    const width = tf.maximum(tf.sub(a, b), 1e-12);
    const logDifference = tf.log(tf.neg(tf.expm1(tf.neg(width))));
    const mass = tf.sub(logDifference, tf.add(tf.softplus(tf.neg(a)), tf.softplus(b)));
    return tf.maximum(mass, LEAST_LOG_MASS);
  });
}
