import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { matMul } from '../src/mat-mul.js';

onEachBackend(() => {
  describe.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('matMul, transposed %j and %j', (transposeA, transposeB) => {
    it.each([
      [1, 3, 4, 5],
      [1, 1, 1, 1],
      [3, 4, 1, 2],
      [2, 7, 5, 9],
    ])('is the sum of products for %d matrices of %d × %d × %d', (batch, rows, inner, columns) => {
      tf.tidy(() => {
        const a = rng(1).normal([batch, ...(transposeA ? [inner, rows] : [rows, inner])]) as tf.Tensor3D;
        const b = rng(2).normal([
          batch,
          ...(transposeB ? [columns, inner] : [inner, columns]),
        ]) as tf.Tensor3D;
        const [av, bv] = [a.arraySync(), b.arraySync()];
        const expected = Array.from({ length: batch * rows * columns }, (_, index) => {
          const [n, i, j] = [
            Math.floor(index / (rows * columns)),
            Math.floor(index / columns) % rows,
            index % columns,
          ] as const;
          let sum = 0;
          for (let d = 0; d < inner; d++) {
            sum +=
              (transposeA ? av[n]![d]![i]! : av[n]![i]![d]!) * (transposeB ? bv[n]![j]![d]! : bv[n]![d]![j]!);
          }
          return sum;
        });
        expectAllClose(matMul(a, b, transposeA, transposeB), expected);
        const first = matMul(
          tf.squeeze(tf.slice(a, 0, 1), [0]) as tf.Tensor2D,
          tf.squeeze(tf.slice(b, 0, 1), [0]) as tf.Tensor2D,
          transposeA,
          transposeB,
        );
        expectAllClose(first, expected.slice(0, rows * columns));
      });
    });
  });

  it('matMul leaves no tensor behind but its result', async () => {
    const a = rng(1).normal([2, 3, 3]) as tf.Tensor3D;
    await expectNoLeak(() => tf.tidy(() => matMul(a, a, true, true)));
    a.dispose();
  });
});
