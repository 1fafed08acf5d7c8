import * as tf from '@tensorflow/tfjs-core';
import type { Params } from './params.js';

/**
 * The value of a scalar function of a parameter tree together with its gradient, a tree of the same names and shapes.
 * A parameter that `f` does not use has a gradient of zeros. The caller disposes both.
 * @throws RangeError if `f` returns anything but a scalar.
 */
export function valueAndGrad(
  f: (params: Params) => tf.Scalar,
): (params: Params) => { value: tf.Scalar; grads: Params } {
  return (params) => {
    const names = Object.keys(params);
    const tensors = Object.values(params);
    const { value, grads } = tf.tidy(() =>
      tf.engine().gradients(() => scalar(f(params)), tensors, undefined, true),
    );
    return {
      value,
      grads: Object.fromEntries(names.map((name, i) => [name, grads[i] ?? tf.zerosLike(tensors[i]!)])),
    };
  };
}

function scalar(value: tf.Tensor): tf.Scalar {
  if (value.size !== 1) throw new RangeError(`the function must return a scalar, not shape [${value.shape}]`);
  return tf.reshape(value, []);
}
