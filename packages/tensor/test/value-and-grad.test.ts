import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { valueAndGrad } from '../src/index.js';

onEachBackend(() => {
  it('differentiates the quadratic ½ xᵀA x + bᵀx into (A + Aᵀ)x/2 + b', () => {
    const a = tf.tensor2d([
      [2, 1],
      [0, 3],
    ]);
    const f = valueAndGrad(({ x, b }) =>
      tf.add(tf.mul(0.5, tf.sum(tf.mul(x!, tf.matMul(a, x!)))), tf.sum(tf.mul(b!, x!))),
    );
    const { value, grads } = f({ x: tf.tensor2d([[1], [2]]), b: tf.tensor2d([[5], [7]]) });
    expectAllClose(value, 27);
    expectAllClose(grads.x!, [2 + 1 + 5, 0.5 + 6 + 7]);
    expectAllClose(grads.b!, [1, 2]);
  });

  it('gives zeros for a parameter that the function does not use', () => {
    const { grads } = valueAndGrad(({ x }) => tf.sum(x!) as tf.Scalar)({
      x: tf.ones([2]),
      unused: tf.ones([3]),
    });
    expect([...grads.unused!.dataSync()]).toEqual([0, 0, 0]);
  });

  it('refuses a function whose value is not a scalar', () => {
    expect(() => valueAndGrad(({ x }) => x as tf.Scalar)({ x: tf.ones([2]) })).toThrow(
      new RangeError('the function must return a scalar, not shape [2]'),
    );
  });

  it('leaves no tensor behind', () => {
    const params = { x: tf.ones([2, 2]) };
    const f = valueAndGrad(({ x }) => tf.sum(tf.square(tf.matMul(x!, x!))) as tf.Scalar);
    return expectNoLeak(() => {
      const { value, grads } = f(params);
      return [value, grads];
    });
  });
});
