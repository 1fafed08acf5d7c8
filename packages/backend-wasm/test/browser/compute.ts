import { conv2d, groupNorm, scaledDotProductAttention } from '@diffusion-ts/ops';
import { rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** A small network's loss and gradients, as plain numbers: what Node and a browser must agree on to the bit. */
export function compute(): number[] {
  return tf.tidy(() => {
    const x = rng(1).normal([2, 9, 9, 4]) as tf.Tensor4D;
    const params = {
      filter: rng(2).normal([3, 3, 4, 8]),
      bias: rng(3).normal([8]),
      scale: rng(4).normal([8]),
      offset: rng(5).normal([8]),
    };
    const { value, grads } = valueAndGrad(({ filter, bias, scale, offset }) => {
      const y = conv2d(x, filter as tf.Tensor4D, bias as tf.Tensor1D, { padding: 1 });
      const z = groupNorm(y, scale as tf.Tensor1D, offset as tf.Tensor1D, {
        groups: 2,
        epsilon: 1e-5,
        activation: 'silu',
      });
      const heads = tf.reshape(z, [2, 81, 2, 4]) as tf.Tensor4D;
      const attended = scaledDotProductAttention(heads, heads, heads);
      return tf.sum(tf.square(attended)) as tf.Scalar;
    })(params);
    return [value, ...Object.values(grads)].flatMap((tensor) => [...tensor.dataSync()]);
  });
}
