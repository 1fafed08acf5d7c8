import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { silu } from '../../src/index.js';
import { type Array64, array64, expectConforms, finiteDifferences, normal, toTensor } from './reference.js';

/** Declares the tests of `silu` on the active backend. */
export function siluConforms(): void {
  describe('silu', () => {
    it.each([[[1]], [[3, 5]], [[2, 3, 4, 5]], [[257]]])(
      'and its gradient equal their definition on %j',
      (shape) => {
        const x = normal(1, shape);
        expectConforms(
          (tx) => silu(tx!),
          { y: reference(x), gradients: (dy) => finiteDifferences(reference, [x], dy) },
          [x],
        );
      },
    );

    it('is x far above zero and 0 far below, and its gradient 1 and 0', () => {
      tf.tidy(() => {
        const x = tf.tensor1d([-1000, -120, -30, 0, 30, 120, 1000]);
        expectAllClose(silu(x), [0, 0, -30 * Math.exp(-30), 0, 30, 120, 1000]);
        expectAllClose(tf.grad((t) => silu(t))(x), [0, 0, 0, 0.5, 1, 1, 1]);
      });
    });

    it('passes NaN on', () => {
      tf.tidy(() => {
        expect([...silu(tf.tensor1d([Number.NaN, 0])).dataSync()]).toEqual([Number.NaN, 0]);
      });
    });

    it('leaves no tensor behind, forward or backward', async () => {
      const x = toTensor(normal(1, [4, 5]));
      await expectNoLeak(() => silu(x));
      await expectNoLeak(() => tf.grad((t) => silu(t))(x));
      x.dispose();
    });
  });
}

function reference(x: Array64): Array64 {
  return array64(
    x.shape,
    x.values.map((value) => value / (1 + Math.exp(-value))),
  );
}
