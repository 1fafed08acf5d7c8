import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { fromPyTorch, toPyTorch } from '../src/layout.js';

beforeAll(() => useBackend('cpu'));

const counted = (shape: readonly number[]) =>
  Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => i);

it('a convolution goes from OIHW to HWIO and back', () => {
  const shape = [5, 4, 3, 2];
  const { shape: hwio, data } = fromPyTorch('conv_in.weight', shape, counted(shape));
  expect(hwio).toEqual([3, 2, 4, 5]);
  expect(data).toEqual(tf.transpose(tf.tensor(counted(shape), shape), [2, 3, 1, 0]).dataSync());
  expect(toPyTorch('conv_in.weight', hwio, data)).toEqual({ shape, data: counted(shape) });
});

it('a linear map goes from [out, in] to [in, out]', () => {
  const { shape, data } = fromPyTorch('to_q.weight', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  expect(shape).toEqual([3, 2]);
  expect(Array.from(data)).toEqual([1, 4, 2, 5, 3, 6]);
});

it('embedding tables, biases and everything not called a weight keep their layout', () => {
  for (const [name, shape] of [
    ['class_embedding.weight', [3, 2]],
    ['embedding.weight', [3, 2]],
    ['norm.weight', [6]],
    ['conv.bias', [6]],
    ['table', [3, 2]],
    ['scalar.weight', []],
    ['conv1d.weight', [1, 2, 3]],
  ] as const) {
    expect(fromPyTorch(name, shape, counted(shape))).toEqual({ shape, data: counted(shape) });
    expect(toPyTorch(name, shape, counted(shape))).toEqual({ shape, data: counted(shape) });
  }
});

it('there and back is the identity for any shape, empty ones too', () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(shapes, fc.constantFrom('a.weight', 'a.bias', 'class_embedding.weight'), (shape, name) => {
      const there = fromPyTorch(name, shape, counted(shape));
      expect(toPyTorch(name, there.shape, there.data)).toEqual({ shape, data: counted(shape) });
    }),
  );
});
