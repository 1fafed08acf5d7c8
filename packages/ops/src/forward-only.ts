import * as tf from '@tensorflow/tfjs-core';

/**
 * Whether the active backend was made for inference alone (tfjs's wasm): it lacks the filter gradient of a convolution,
 * and its input gradient and transposed or batched matrix products are 10 to 40 times slower than the forward kernels.
 * The composed gradients are then made of forward kernels. This is the one question asked about a backend.
 */
export function isForwardOnly(): boolean {
  return tf.getKernel(tf.Conv2DBackpropFilter, tf.getBackend()) === undefined;
}
