import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { countParams, disposeParams, mapParams, zipParams } from '../src/index.js';

onEachBackend(() => {
  it('maps and zips by name, in the order of insertion', () => {
    const a = { weight: tf.tensor1d([1, 2]), bias: tf.scalar(3) };
    const b = { bias: tf.scalar(10), weight: tf.tensor1d([20, 30]) };
    const doubled = mapParams(a, (tensor) => tf.mul(tensor, 2));
    const summed = zipParams(a, b, (x, y) => tf.add(x, y));
    expect(Object.entries(doubled).map(([name, tensor]) => [name, ...tensor.dataSync()])).toEqual([
      ['weight', 2, 4],
      ['bias', 6],
    ]);
    expect(Object.entries(summed).map(([name, tensor]) => [name, ...tensor.dataSync()])).toEqual([
      ['weight', 21, 32],
      ['bias', 13],
    ]);
  });

  it('counts scalars and disposes all of them', () => {
    const before = tf.memory().numTensors;
    const params = { weight: tf.zeros([3, 4]), bias: tf.zeros([4]) };
    expect(countParams(params)).toBe(16);
    disposeParams(params);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses trees that do not match, whichever side is short', () => {
    const a = { x: tf.scalar(1) };
    const b = { x: tf.scalar(1), y: tf.scalar(1) };
    expect(() => zipParams(a, b, tf.add)).toThrow(new RangeError('params: "y" is in the second tree only'));
    expect(() => zipParams(b, a, tf.add)).toThrow(new RangeError('params: "y" is in the first tree only'));
  });
});
