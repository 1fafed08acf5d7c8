import * as tf from '@tensorflow/tfjs-core';

/**
 * Whether the active backend is tfjs's wasm as shipped, made for inference alone. It is known by the filter gradient of
 * a convolution, which it lacks; its input gradient, transposed and batched matrix products are 5 to 40 times slower
 * than its forward kernels, and its slices copy their whole input. There, and only there, these are composed of forward
 * kernels. This is the one question that the ops ask about a backend.
 */
export function isPlainWasm(): boolean {
  return tf.getKernel(tf.Conv2DBackpropFilter, tf.getBackend()) === undefined;
}
