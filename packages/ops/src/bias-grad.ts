import * as tf from '@tensorflow/tfjs-core';
import { defineKernel } from './run-kernel.js';

const kernel = defineKernel('DiffusionBiasGrad', ({ dy }) => {
  const channels = dy.shape[dy.rank - 1]!;
  const rows = tf.reshape(dy, [-1, channels]) as tf.Tensor2D;
  // A product with ones: reductions over the first axis transpose their input on some backends.
  return [tf.reshape(tf.matMul(tf.ones([1, rows.shape[0]]), rows), [channels])];
});

/** The gradient for a bias that was added to the last axis: dy summed over all the others. */
export function biasGrad(dy: tf.Tensor): tf.Tensor1D {
  return kernel({ dy }, {})[0];
}
