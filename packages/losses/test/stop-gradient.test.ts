import { type Params, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { stopGradient } from '../src/stop-gradient.js';

onEachBackend(() => {
  const product = ({ x }: Params): tf.Scalar => tf.sum(tf.mul(x!, stopGradient(tf.square(x!))));

  it('passes values and stops gradients: d/dx (x · stop(x²)) = x²', () => {
    const { value, grads } = valueAndGrad(product)({ x: tf.tensor1d([1, 2, -3]) });
    expectAllClose(value, 1 + 8 - 27);
    expectAllClose(grads.x!, [1, 4, 9]);
  });

  it('leaves no tensor behind', async () => {
    const x = tf.tensor1d([1, 2]);
    await expectNoLeak(() => stopGradient(x));
    await expectNoLeak(() => {
      const { value, grads } = valueAndGrad(product)({ x });
      return [value, grads.x];
    });
  });
});
