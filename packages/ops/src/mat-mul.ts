import * as tf from '@tensorflow/tfjs-core';
import { isForwardOnly } from './forward-only.js';

/** a b, aᵀ b or a bᵀ of matrices, by the fastest way of the active backend. */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (!isForwardOnly()) return tf.matMul(a, b, transposeA, transposeB);
  return tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b);
}
