import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape } from './check-shape.js';
import type { Distribution } from './distribution.js';
import { surplus } from './surplus.js';

/** Independent elements, each one of K classes 0 … K − 1, which x holds as float32. */
export interface Categorical extends Distribution {
  /** Of every class, `[…, K]` where x is `[…]`. */
  readonly probabilities: tf.Tensor;
}

// 100 bits. A logarithm of less has no place in float32 beside its gradient.
const LEAST_PROBABILITY = 1e-30;

/**
 * Each element of x, `[batch, …]`, is class k with the probability in its row of `probabilities`, `[batch, …, K]`, which
 * sum to 1. Of logits it is `categorical(tf.softmax(logits))`.
 *
 * - `kl`: Σ q ln(q/p), summed as q (e^δ − 1 − δ) with δ = ln p − ln q, of which no term is negative and none loses digits
 *   where p is near q;
 * - `logProb`: ln p of the class that x is.
 *
 * In logarithms a probability below 1e-30 counts as 1e-30: what is impossible costs 100 bits.
 * @throws RangeError if there are not two classes. Its `kl` and `logProb` throw RangeError if shapes do not fit.
 */
export function categorical(probabilities: tf.Tensor): Categorical {
  const shape = probabilities.shape.slice(0, -1);
  const classes = probabilities.shape.at(-1) ?? 0;
  if (classes < 2) {
    throw new RangeError(
      `probabilities must have a last axis of at least two classes, not shape [${probabilities.shape}]`,
    );
  }
  return {
    discrete: true,
    probabilities,
    sample: (rng: Rng) => tf.tidy(() => drawnBy(rng.uniform(shape), probabilities)),
    mode: () => tf.tidy(() => tf.cast(tf.argMax(probabilities, -1), 'float32')),
    kl(p) {
      checkShape('probabilities of p', p.probabilities, 'the probabilities', probabilities);
      return tf.tidy(() => {
        const delta = tf.sub(logOf(p.probabilities), logOf(probabilities));
        return tf.sum(tf.mul(tf.maximum(probabilities, LEAST_PROBABILITY), surplus(delta)), -1);
      });
    },
    logProb(x) {
      return tf.tidy(() => {
        const chosen = oneHot(x, classes);
        checkShape('x with its classes', chosen, 'the probabilities', probabilities);
        return tf.sum(tf.mul(chosen, logOf(probabilities)), -1);
      });
    },
  };
}

/** Independent bits, 1 with the probability given, of the shape of x: a categorical distribution of two classes. */
export function bernoulli(probability: tf.Tensor): Categorical {
  return categorical(tf.tidy(() => tf.stack([tf.sub(1, probability), probability], -1)));
}

/** The classes in x `[…]` as rows of zeros and a one, `[…, classes]`. */
export function oneHot(x: tf.Tensor, classes: number): tf.Tensor {
  return tf.tidy(() => tf.cast(tf.equal(tf.expandDims(x, -1), tf.range(0, classes)), 'float32'));
}

/** The class in whose stretch of the summed probabilities a number of [0, 1) lies, element by element. */
export function drawnBy(uniform: tf.Tensor, probabilities: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    // tfjs's kernels take −1 for an axis of its own.
    const sums = tf.cumsum(probabilities, uniform.rank);
    const last = probabilities.shape.at(-1)! - 1;
    const total = tf.slice(sums, [...uniform.shape.map(() => 0), last], [...uniform.shape, 1]);
    // A 0 would fall on a first class of no probability. Rounded sums end beside 1, and beyond them there is no class.
    const point = tf.mul(tf.maximum(tf.expandDims(uniform, -1), 2 ** -25), total);
    return tf.cast(tf.sum(tf.cast(tf.lessEqual(sums, point), 'int32'), -1), 'float32');
  });
}

function logOf(probabilities: tf.Tensor): tf.Tensor {
  return tf.log(tf.maximum(probabilities, LEAST_PROBABILITY));
}
