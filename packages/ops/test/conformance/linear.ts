import { expectNoLeak } from '@diffusion-ts/testing';
import type * as tf from '@tensorflow/tfjs-core';
import { dispose, grads } from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { linear } from '../../src/index.js';
import { type Array64, array64, expectConforms, finiteDifferences, normal, toTensor } from './reference.js';

/** Declares the tests of `linear` on the active backend. */
export function linearConforms(): void {
  describe('linear and its gradients equal their definition', () => {
    it.each<[string, number[], number]>([
      ['a matrix', [5, 7], 3],
      ['one row', [1, 4], 6],
      ['one number', [1, 1], 1],
      ['tokens', [2, 9, 16], 12],
      ['a vector', [6], 4],
      ['an image', [2, 3, 2, 5], 9],
    ])('for %s', (_name, shape, outputs) => {
      const x = normal(1, shape);
      const weight = normal(2, [shape.at(-1)!, outputs]);
      const bias = normal(3, [outputs]);
      const product = (...inputs: Array64[]): Array64 => multiply(inputs[0]!, inputs[1]!, inputs[2]);
      expectConforms(
        (tx, tw, tb) => linear(tx!, tw as tf.Tensor2D, tb as tf.Tensor1D),
        {
          y: multiply(x, weight, bias),
          gradients: (dy) => finiteDifferences(product, [x, weight, bias], dy),
        },
        [x, weight, bias],
      );
    });

    it('without a bias', () => {
      const x = normal(1, [4, 6]);
      const weight = normal(2, [6, 5]);
      const product = (...inputs: Array64[]): Array64 => multiply(inputs[0]!, inputs[1]!);
      expectConforms(
        (tx, tw) => linear(tx!, tw as tf.Tensor2D),
        { y: multiply(x, weight), gradients: (dy) => finiteDifferences(product, [x, weight], dy) },
        [x, weight],
      );
    });
  });

  it('linear leaves no tensor behind, forward or backward', async () => {
    const tensors = [[2, 3, 4], [4, 5], [5]].map((shape, i) => toTensor(normal(i, shape)));
    const run = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
      linear(x, weight as tf.Tensor2D, bias as tf.Tensor1D);
    await expectNoLeak(() => run(...(tensors as [tf.Tensor, tf.Tensor, tf.Tensor])));
    await expectNoLeak(() => grads(run)(tensors));
    dispose(tensors);
  });
}

function multiply(x: Array64, weight: Array64, bias?: Array64): Array64 {
  const [inputs, outputs] = weight.shape as [number, number];
  const y = array64([...x.shape.slice(0, -1), outputs]);
  y.values.forEach((_, i) => {
    const row = Math.floor(i / outputs);
    const o = i % outputs;
    let sum = bias?.values[o] ?? 0;
    for (let k = 0; k < inputs; k++) sum += x.values[row * inputs + k]! * weight.values[k * outputs + o]!;
    y.values[i] = sum;
  });
  return y;
}
