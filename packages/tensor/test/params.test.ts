import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { checkParams, countParams, disposeParams, mapParams, mismatch, zipParams } from '../src/index.js';

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

  it('finds nothing that keeps a tree from having the names and shapes it has, in whatever order', () => {
    const params = { weight: tf.zeros([3, 4]), bias: tf.zeros([4]), scale: tf.scalar(1) };
    const shapes = { scale: [], bias: [4], weight: [3, 4] };
    expect(mismatch(params, shapes)).toBe(undefined);
    expect(() => checkParams('params', params, shapes)).not.toThrow();
    expect(mismatch({}, {})).toBe(undefined);
  });

  it.each([
    ['"bias" is missing', { weight: [3, 4] }],
    ['"weight" must have shape [3,4], not [4,3]', { weight: [4, 3], bias: [4] }],
    ['"bias" must have shape [4], not []', { weight: [3, 4], bias: [] }],
    ['"gain" is not among those expected', { weight: [3, 4], bias: [4], gain: [1] }],
  ])('says what keeps it from that: %s', (problem, shapes: Record<string, number[]>) => {
    const params = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tf.zeros(shape)]));
    const expected = { weight: [3, 4], bias: [4] };
    expect(mismatch(params, expected)).toBe(problem);
    expect(() => checkParams('the averaged weights', params, expected)).toThrow(
      new RangeError(`the averaged weights: ${problem}`),
    );
  });
});
