import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { upsampleNearest } from '../../src/index.js';
import { type Array64, array64, expectConforms, finiteDifferences, normal, toTensor } from './reference.js';

/** Declares the tests of `upsampleNearest` on the active backend. */
export function upsampleNearestConforms(): void {
  describe('upsampleNearest', () => {
    it.each<[number[], number]>([
      [[1, 1, 1, 1], 2],
      [[2, 3, 5, 4], 2],
      [[2, 4, 3, 7], 3],
      [[1, 2, 3, 9], 1],
      [[3, 2, 2, 1], 4],
    ])('and its gradient equal their definition on %j by %d', (shape, factor) => {
      const x = normal(1, shape);
      const reference = (t: Array64): Array64 => repeatPixels(t, factor);
      expectConforms(
        (tx) => upsampleNearest(tx as tf.Tensor4D, factor),
        { y: reference(x), gradients: (dy) => finiteDifferences(reference, [x], dy) },
        [x],
      );
    });

    it('doubles the size unless told otherwise', () => {
      tf.tidy(() => {
        const y = upsampleNearest(tf.tensor4d([1, 2], [1, 1, 2, 1]));
        expectAllClose(y, [1, 1, 2, 2, 1, 1, 2, 2]);
      });
    });

    it('leaves no tensor behind, forward or backward', async () => {
      const x = toTensor<tf.Tensor4D>(normal(1, [1, 2, 3, 4]));
      await expectNoLeak(() => upsampleNearest(x));
      await expectNoLeak(() => tf.grad((t) => upsampleNearest(t as tf.Tensor4D))(x));
      x.dispose();
    });
  });
}

function repeatPixels(x: Array64, factor: number): Array64 {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const y = array64([batch, height * factor, width * factor, channels]);
  y.values.forEach((_, index) => {
    const c = index % channels;
    const column = Math.floor((Math.floor(index / channels) % (width * factor)) / factor);
    const row = Math.floor((Math.floor(index / (channels * width * factor)) % (height * factor)) / factor);
    const n = Math.floor(index / (channels * width * height * factor ** 2));
    y.values[index] = x.values[((n * height + row) * width + column) * channels + c]!;
  });
  return y;
}
