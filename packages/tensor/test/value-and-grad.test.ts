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

  it('leaves no tensor behind where the function or a gradient throws', () => {
    const params = { x: tf.ones([2, 2]) };
    const fail = (_: unknown): never => {
      throw new Error('on purpose');
    };
    const broken = tf.customGrad((x) => ({ value: tf.square(x as tf.Tensor), gradFunc: fail }));
    return expectNoLeak(() => {
      expect(() => valueAndGrad(({ x }) => fail(tf.square(x!)))(params)).toThrow('on purpose');
      const f = valueAndGrad(({ x }) => tf.sum(broken(tf.square(x!))) as tf.Scalar);
      expect(() => f(params)).toThrow('on purpose');
      return [];
    });
  });

  it('leaves alone what the function kept and what others hold', () => {
    const held = tf.tensor1d([3, 4]);
    let inside: tf.Tensor | undefined;
    const { grads } = tf.tidy(() =>
      valueAndGrad(({ x }) => {
        inside = tf.keep(tf.mul(x!, held));
        return tf.sum(tf.square(inside)) as tf.Scalar;
      })({ x: tf.tensor1d([1, 2]) }),
    );
    expectAllClose(grads.x!, [2 * 9, 2 * 2 * 16]);
    expectAllClose(inside!, [3, 8]);
    expectAllClose(held, [3, 4]);
  });

  it('adds up the gradients of a tensor that is used several times, also where a gradient is dy itself', () => {
    const same = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: (dy) => dy }));
    const f = valueAndGrad(({ x }) => {
      const y = same(x!);
      return tf.sum(
        tf.add(tf.mul(y, y), tf.add(same(y), tf.slice(tf.concat([y, y]), [0], [3]))),
      ) as tf.Scalar;
    });
    expectAllClose(f({ x: tf.tensor1d([1, 2, 3]) }).grads.x!, [4, 6, 8]);
  });

  it('takes one new tensor as the gradient of both inputs, and leaves the gradient its own that it keeps', () => {
    let kept: tf.Tensor | undefined;
    const twice = tf.customGrad((a, b) => ({
      value: tf.add(a as tf.Tensor, b as tf.Tensor),
      gradFunc: (dy) => {
        const same = tf.mul(dy, 2);
        return [same, same];
      },
    }));
    const keeping = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy) => (kept = tf.keep(tf.mul(dy, 3))),
    }));
    const f = valueAndGrad(({ x, y }) => tf.sum(twice(keeping(tf.square(x!)), tf.square(y!))) as tf.Scalar);
    const { grads } = f({ x: tf.tensor1d([1, 2]), y: tf.tensor1d([5, 7]) });
    expectAllClose(grads.x!, [12, 24]);
    expectAllClose(grads.y!, [20, 28]);
    expectAllClose(kept!, [6, 6]);
  });

  it('differentiates through one output of a kernel with several', () => {
    const f = valueAndGrad(({ x }) => tf.sum(tf.square(tf.split(x!, 2)[1]!)) as tf.Scalar);
    expectAllClose(f({ x: tf.tensor1d([1, 2, 3, 4]) }).grads.x!, [0, 0, 6, 8]);
  });

  it('can be differentiated again: the gradient of Σ (d Σ x³/dx)² is 36 x³', () => {
    const cube = (x: tf.Tensor): tf.Scalar => tf.sum(tf.mul(x, tf.mul(x, x))) as tf.Scalar;
    const f = valueAndGrad(({ x }) => {
      const { grads } = valueAndGrad(({ x }) => cube(x!))({ x: x! });
      return tf.sum(tf.square(grads.x!)) as tf.Scalar;
    });
    expectAllClose(f({ x: tf.tensor1d([1, -2]) }).grads.x!, [36, -288]);
  });

  it('frees each activation once its gradient is taken, and each gradient once it is passed on', () => {
    const buffers: number[] = [];
    const probe = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy) => {
        buffers.push(tf.memory().numDataBuffers);
        return dy;
      },
    }));
    const layers = [1, 2, 3, 4, 5];
    const f = valueAndGrad(({ x }) => tf.sum(layers.reduce((y) => probe(tf.square(y)), x!)) as tf.Scalar);
    f({ x: tf.ones([7]) });
    // One activation less at each layer, and never more than the one gradient that came in.
    expect(buffers.map((count) => count - buffers[0]!)).toEqual([0, -1, -2, -3, -4]);
  });
});
