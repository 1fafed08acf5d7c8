import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { joinPositions, meanOverPositions, sumOverRows } from '../src/positions.js';

const count = (shape: number[]): tf.Tensor => tf.reshape(tf.range(0, tf.util.sizeFromShape(shape)), shape);

onEachBackend(() => {
  it('meanOverPositions averages within each example and channel', () => {
    tf.tidy(() => {
      expectAllClose(meanOverPositions(count([2, 3, 2]) as tf.Tensor3D), [2, 3, 8, 9]);
    });
  });

  it.each([[[3]], [[5, 3]], [[2, 5, 3]], [[2, 2, 4, 3]]])(
    'sumOverRows keeps the last axis of %j',
    (shape) => {
      tf.tidy(() => {
        const rows = tf.util.sizeFromShape(shape) / 3;
        // Σ (3 r + c) over r < rows.
        const expected = [0, 1, 2].map((c) => (3 * rows * (rows - 1)) / 2 + rows * c);
        expectAllClose(sumOverRows(count(shape)), expected);
      });
    },
  );

  describe('joinPositions', () => {
    it.each([
      [1, 3],
      [7, 2],
      [784, 32],
      [997, 4],
      [6, 2000],
    ])('repeats a tensor along %d positions of %d channels', (positions, channels) => {
      tf.tidy(() => {
        const { join, repeat } = joinPositions(positions, channels);
        const x = count([2, positions, channels]);
        const perExample = count([2, channels]);
        const sum = tf.reshape(tf.add(join(x), repeat(perExample)), x.shape);
        expectAllClose(sum, tf.add(x, tf.reshape(perExample, [2, 1, channels])));
        const shared = tf.reshape(tf.add(join(x), repeat(count([channels]))), x.shape);
        expectAllClose(shared, tf.add(x, count([channels])));
      });
    });

    it('makes rows of up to a thousand numbers', () => {
      tf.tidy(() => {
        expect(joinPositions(784, 32).join(tf.zeros([1, 784, 32])).shape).toEqual([1, 28, 896]);
        expect(joinPositions(6, 2000).join(tf.zeros([1, 6, 2000])).shape).toEqual([1, 6, 2000]);
      });
    });
  });
});
