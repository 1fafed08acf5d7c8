import { type Gaussian, logVarianceTensor } from '@diffusion-ts/forward-process';
import * as tf from '@tensorflow/tfjs-core';

// Integer data are k/127.5 − 1, and each value stands for a bin of this half width around it.
const HALF_BIN = 1 / 255;
// Between the outermost grey values ±1 and their neighbours.
const OUTERMOST = 1 - HALF_BIN;
// As in `gaussian`: a thinner one is a point to the bins, and the inverse of its deviation has no place in float32.
const LEAST_LOG_VARIANCE = -80;

/** The bins of integer data in deviations of the Gaussian that is to give them their mass. */
export interface Bins {
  /** From the mean to the middle of each bin. */
  readonly middle: tf.Tensor;
  /** Half of a bin, and its logarithm. */
  readonly half: tf.Tensor;
  readonly logHalf: tf.Tensor;
  /** Where a bin is the lowest, which reaches to −∞, or the highest, which reaches to ∞. */
  readonly lowest: tf.Tensor;
  readonly highest: tf.Tensor;
}

export function binsOf(p: Gaussian, x0: tf.Tensor): Bins {
  const logDeviation = tf.mul(tf.maximum(logVarianceTensor(p), LEAST_LOG_VARIANCE), 0.5);
  const inverseDeviation = tf.exp(tf.neg(logDeviation));
  return {
    middle: tf.mul(tf.sub(x0, p.mean), inverseDeviation),
    half: tf.mul(inverseDeviation, HALF_BIN),
    logHalf: tf.sub(Math.log(HALF_BIN), logDeviation),
    lowest: tf.less(x0, -OUTERMOST),
    highest: tf.greater(x0, OUTERMOST),
  };
}

/** Whether x > 0, where x may be on the tape: a comparison has no gradient, and a step that of a constant. */
export function isPositive(x: tf.Tensor): tf.Tensor {
  return tf.cast(tf.step(x), 'bool');
}
