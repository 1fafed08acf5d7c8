import * as tf from '@tensorflow/tfjs-core';

/** The same values, seen as a constant by the gradient. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((...args) => {
    const input = args[0] as tf.Tensor;
    return { value: tf.clone(input), gradFunc: (dy) => tf.zerosLike(dy) };
  })(x);
}
