import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  adamWStep,
  conv2d,
  groupNorm,
  linear,
  scaledDotProductAttention,
  silu,
  upsampleNearest,
} from '../../src/index.js';

type Op = (...inputs: never[]) => tf.Tensor;

const conv = (x: tf.Tensor4D, weight: tf.Tensor4D, bias: tf.Tensor1D) =>
  conv2d(x, weight, bias, { padding: 1 });
const strided = (x: tf.Tensor4D, weight: tf.Tensor4D, bias: tf.Tensor1D) =>
  conv2d(x, weight, bias, { stride: 2 });
const norm = (x: tf.Tensor, scale: tf.Tensor1D, offset: tf.Tensor1D) =>
  groupNorm(x, scale, offset, { groups: 2, epsilon: 1e-5, activation: 'silu' });

/**
 * What an op is of inputs that are all ones, one of which has an axis of length 0, and what the gradients of its sum are:
 * each one number everywhere. A sum over nothing is 0.
 */
const cases: [name: string, op: Op, shapes: number[][], y: number, gradients: number[]][] = [
  ['conv2d of no image', conv, [[0, 3, 3, 2], [3, 3, 2, 4], [4]], 0, [0, 0, 0]],
  ['conv2d of no input channel', conv, [[2, 3, 3, 0], [3, 3, 0, 4], [4]], 1, [0, 0, 18]],
  ['conv2d of no output channel', conv, [[2, 3, 3, 2], [3, 3, 2, 0], [0]], 0, [0, 0, 0]],
  ['conv2d of no row but those of the padding', conv, [[2, 0, 3, 2], [2, 3, 2, 4], [4]], 1, [0, 0, 6]],
  ['conv2d with a stride of no image', strided, [[0, 4, 4, 2], [2, 2, 2, 4], [4]], 0, [0, 0, 0]],
  ['conv2d with a stride of no output channel', strided, [[1, 4, 4, 2], [2, 2, 2, 0], [0]], 0, [0, 0, 0]],
  ['linear of no row', linear as Op, [[0, 3], [3, 4], [4]], 0, [0, 0, 0]],
  ['linear of no input', linear as Op, [[2, 5, 0], [0, 4], [4]], 1, [0, 0, 10]],
  ['linear of no output', linear as Op, [[2, 5, 3], [3, 0], [0]], 0, [0, 0, 0]],
  ['silu', silu as Op, [[2, 0, 3]], 0, [0]],
  ['groupNorm of no example', norm, [[0, 5, 4], [4], [4]], 0, [0, 0, 0]],
  ['groupNorm of no position', norm, [[2, 0, 3, 4], [4], [4]], 0, [0, 0, 0]],
  ['attention of no example', scaledDotProductAttention, Array(3).fill([0, 2, 5, 4]), 0, [0, 0, 0]],
  ['attention of no head', scaledDotProductAttention, Array(3).fill([2, 0, 5, 4]), 0, [0, 0, 0]],
  [
    'attention of no query',
    scaledDotProductAttention,
    [
      [2, 2, 0, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 4],
    ],
    0,
    [0, 0, 0],
  ],
  [
    'attention of no key',
    scaledDotProductAttention,
    [
      [2, 2, 5, 4],
      [2, 2, 0, 4],
      [2, 2, 0, 4],
    ],
    0,
    [0, 0, 0],
  ],
  ['attention of no depth', scaledDotProductAttention, Array(3).fill([2, 2, 5, 0]), 0, [0, 0, 0]],
  ['upsampleNearest of no image', upsampleNearest as Op, [[0, 2, 3, 4]], 0, [0]],
  ['upsampleNearest of no column', upsampleNearest as Op, [[2, 2, 0, 4]], 0, [0]],
];

/** Declares the tests of what has an axis of length 0 on the active backend. */
export function emptyConforms(): void {
  describe('with an axis of length 0', () => {
    it.each(cases)(
      '%s is a sum over nothing, and so are its gradients',
      async (_, op, shapes, y, gradients) => {
        const f = op as (...inputs: tf.Tensor[]) => tf.Tensor;
        const run = (): tf.Tensor[] => {
          const inputs = shapes.map((shape) => tf.ones(shape));
          const value = f(...inputs);
          return [value, ...tf.grads((...of) => f(...of))(inputs, tf.onesLike(value))];
        };
        tf.tidy(() => {
          const [value, ...of] = run();
          expectAllClose(value!, Array(value!.size).fill(y));
          expect(of.map(({ shape }) => shape)).toEqual(shapes);
          for (const [i, gradient] of of.entries()) {
            expectAllClose(gradient, Array(gradient.size).fill(gradients[i]!));
          }
        });
        await expectNoLeak(() => tf.tidy(() => run()[0]!));
      },
    );

    it('adamWStep passes an empty parameter on, and steps the others', () => {
      tf.tidy(() => {
        const tree = () => ({ none: tf.zeros([0, 3]), some: tf.ones([2]) });
        const { params, norms } = adamWStep({
          params: tree(),
          grads: tree(),
          m: { none: tf.zeros([0, 3]), some: tf.zeros([2]) },
          v: { none: tf.zeros([0, 3]), some: tf.zeros([2]) },
          step: 1,
          learningRate: 0.1,
          betas: [0.9, 0.999],
          epsilon: 1e-8,
          weightDecay: 0,
        });
        expect(params.none!.shape).toEqual([0, 3]);
        expectAllClose(params.some!, [0.9, 0.9]);
        expectAllClose(norms, [Math.SQRT2, 0.9 * Math.SQRT2]);
      });
    });
  });
}
