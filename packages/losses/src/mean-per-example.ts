import * as tf from '@tensorflow/tfjs-core';

/** The mean over every axis but the first: `[batch]`. */
export function meanPerExample(x: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => tf.mean(tf.reshape(x, [x.shape[0]!, -1]), 1));
}
