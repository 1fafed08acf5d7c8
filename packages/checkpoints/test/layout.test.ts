import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { CheckpointError } from '../src/index.js';
import { checkLayout, fromPyTorch, toPyTorch } from '../src/layout.js';

beforeAll(() => useBackend('cpu'));

const counted = (shape: readonly number[]) =>
  Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => i);

it('a convolution goes from OIHW to HWIO and back by the layout 3, 2, 0, 1', () => {
  const oihw = [5, 4, 3, 2];
  const { shape, data } = fromPyTorch(oihw, counted(oihw), [3, 2, 0, 1]);
  expect(shape).toEqual([3, 2, 4, 5]);
  expect(data).toEqual(tf.transpose(tf.tensor(counted(oihw), oihw), [2, 3, 1, 0]).dataSync());
  expect(toPyTorch(shape, data, [3, 2, 0, 1])).toEqual({ shape: oihw, data: counted(oihw) });
});

it('a linear map goes from [out, in] to [in, out] by the layout 1, 0', () => {
  const { shape, data } = fromPyTorch([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6), [1, 0]);
  expect(shape).toEqual([3, 2]);
  expect(Array.from(data)).toEqual([1, 4, 2, 5, 3, 6]);
});

it('a transposed convolution, IOHW in PyTorch, of filters that are HWIO here has the layout 2, 3, 0, 1', () => {
  const hwio = [3, 2, 4, 5];
  const { shape, data } = toPyTorch(hwio, counted(hwio), [2, 3, 0, 1]);
  expect(shape).toEqual([4, 5, 3, 2]);
  // w[i, o, h, w] there is w[h, w, i, o] here.
  expect(data[((1 * 5 + 2) * 3 + 0) * 2 + 1]).toBe(((0 * 2 + 1) * 4 + 1) * 5 + 2);
});

it('what has no layout stays as it is', () => {
  for (const shape of [[3, 2], [6], [], [1, 2, 3, 4]]) {
    expect(fromPyTorch(shape, counted(shape), undefined)).toEqual({ shape, data: counted(shape) });
    expect(toPyTorch(shape, counted(shape), undefined)).toEqual({ shape, data: counted(shape) });
  }
});

it('PyTorch has the transpose of ours by any layout, and the way back is its inverse, for empty shapes too', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 });
  const laid = sizes.chain((shape) =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }) as fc.Arbitrary<number[]>,
    ),
  );
  fc.assert(
    fc.property(laid, ([shape, layout]) => {
      checkLayout('x', shape, layout);
      const there = toPyTorch(shape, counted(shape), layout);
      const transposed = tf.transpose(tf.tensor(counted(shape), shape), layout);
      expect(there.shape).toEqual(transposed.shape);
      expect(there.data).toEqual(transposed.dataSync());
      expect(fromPyTorch(there.shape, there.data, layout)).toEqual({ shape, data: counted(shape) });
    }),
  );
});

it.each([[[0]], [[0, 0]], [[1, 2]], [[0, 1, 2]]])('the layout %j is refused for a matrix', (layout) => {
  expect(() => checkLayout('x.weight', [2, 3], layout)).toThrow(
    new CheckpointError(
      `tensor "x.weight": the layout [${layout}] is no permutation of the axes of shape [2,3]`,
    ),
  );
});
