import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { scaledDotProductAttention } from '../../src/index.js';
import { type Array64, array64, expectConforms, finiteDifferences, normal, toTensor } from './reference.js';
import { watchKernel } from './watch-kernel.js';

type Tensors = [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];

/** Declares the tests of `scaledDotProductAttention` on the active backend. */
export function attentionConforms(): void {
  describe('scaledDotProductAttention', () => {
    it.each<[string, number[], number[]]>([
      ['several heads', [2, 3, 5, 4], [2, 3, 5, 4]],
      ['one head of one example', [1, 1, 6, 8], [1, 1, 6, 8]],
      ['one token', [2, 2, 1, 3], [2, 2, 1, 3]],
      ['one number a head', [1, 2, 4, 1], [1, 2, 4, 1]],
      ['more keys than queries', [2, 1, 3, 4], [2, 1, 7, 4]],
      ['more tokens than a tile', [1, 1, 13, 5], [1, 1, 18, 5]],
    ])('and its gradients equal their definition for %s', (_name, queries, keys) => {
      const inputs = [normal(1, queries), normal(2, keys), normal(3, keys)] as const;
      expectConforms(
        (...tensors) => scaledDotProductAttention(...(tensors as Tensors)),
        {
          y: attend(...inputs),
          gradients: (dy) =>
            finiteDifferences(
              (...arrays) => attend(...(arrays as [Array64, Array64, Array64])),
              [...inputs],
              dy,
            ),
        },
        [...inputs],
      );
    });

    it('picks the value of the one key that matches, however large the scores', () => {
      tf.tidy(() => {
        const q = tf.tensor4d([1000, 0, 0, 1000], [1, 1, 2, 2]);
        const v = tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2]);
        expectAllClose(scaledDotProductAttention(q, q, v), [1, 2, 3, 4]);
      });
    });

    it('keeps a NaN within its example and head', () => {
      tf.tidy(() => {
        const q = tf.buffer([2, 2, 3, 4]);
        q.set(Number.NaN, 0, 1, 2, 0);
        const v = tf.ones([2, 2, 3, 4]) as tf.Tensor4D;
        const y = scaledDotProductAttention(q.toTensor() as tf.Tensor4D, v, v).arraySync();
        expect(y[0]![1]![2]!.every(Number.isNaN)).toBe(true);
        expectAllClose([...y[0]![0]!.flat(), ...y[1]!.flat(2)], Array(36).fill(1));
      });
    });

    it('hands its gradient the result and the log-sum-exp of the scores', () => {
      tf.tidy(() => {
        const [q, k, v] = [1, 2, 3].map((seed) => toTensor(normal(seed, [2, 1, 3, 4]))) as Tensors;
        watchKernel(
          'DiffusionAttentionGrad',
          ['q', 'k', 'v'],
          ({ y, logSumExp }) => {
            const scores = tf.mul(tf.matMul(q, k, false, true), 0.5);
            expect(logSumExp!.shape).toEqual([2, 1, 3]);
            expectAllClose(logSumExp!, tf.logSumExp(scores, 3));
            expectAllClose(y!, tf.matMul(tf.softmax(scores), v));
          },
          () => tf.grad((t) => scaledDotProductAttention(t as tf.Tensor4D, k, v))(q),
        );
      });
    });

    it('leaves no tensor behind, forward or backward', async () => {
      const tensors = [1, 2, 3].map((seed) => toTensor(normal(seed, [2, 2, 3, 4]))) as Tensors;
      await expectNoLeak(() => scaledDotProductAttention(...tensors));
      await expectNoLeak(() =>
        tf.grads((...inputs: tf.Tensor[]) => scaledDotProductAttention(...(inputs as Tensors)))(tensors),
      );
      tf.dispose(tensors);
    });
  });
}

function attend(q: Array64, k: Array64, v: Array64): Array64 {
  const [batch, heads, length, size] = q.shape as [number, number, number, number];
  const keys = k.shape[2]!;
  const y = array64(q.shape);
  for (let head = 0; head < batch * heads; head++) {
    for (let i = 0; i < length; i++) {
      const row = (head * length + i) * size;
      const scores = Array.from({ length: keys }, (_, j) => {
        let score = 0;
        for (let d = 0; d < size; d++) score += q.values[row + d]! * k.values[(head * keys + j) * size + d]!;
        return score / Math.sqrt(size);
      });
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, j) => {
        for (let d = 0; d < size; d++) {
          y.values[row + d]! += (weight / total) * v.values[(head * keys + j) * size + d]!;
        }
      });
    }
  }
  return y;
}
