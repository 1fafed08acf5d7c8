import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { checkIndices, disposeBatch, toBatch } from '../src/index.js';

it.each([-1, 2, 0.5, Number.NaN])('the index %s of two examples is refused', (index) => {
  expect(() => checkIndices([0, 1, index], 2)).toThrow(
    new RangeError(`indices[2] is ${index}, expected a whole number in 0 … 1`),
  );
});

it('indices may come in any order, more than once, or not at all', () => {
  checkIndices([1, 0, 1], 2);
  checkIndices(Int32Array.of(), 2);
});

onEachBackend(() => {
  it('a batch has as many examples as its numbers make, and a label for each', async () => {
    await expectNoLeak(() => {
      const { x0, condition } = toBatch(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 1], Int32Array.of(7, 0));
      expect([x0.shape, x0.dtype, ...x0.dataSync()]).toEqual([[2, 3, 1], 'float32', 1, 2, 3, 4, 5, 6]);
      expect(Object.keys(condition!)).toEqual(['label']);
      const { label } = condition!;
      expect([label!.shape, label!.dtype, ...label!.dataSync()]).toEqual([[2], 'int32', 7, 0]);
      return { x0, ...condition };
    });
  });

  it('a batch of no examples, and one without labels, are batches too', () => {
    tf.tidy(() => {
      const none = toBatch(new Float32Array(0), [2, 2], new Int32Array(0));
      expect([none.x0.shape, none.condition!.label!.shape]).toEqual([[0, 2, 2], [0]]);
      expect(Object.keys(toBatch(Float32Array.of(1), [1]))).toEqual(['x0']);
    });
  });

  it('numbers that do not divide into examples, and labels that are not one for each, are refused', () => {
    const before = tf.memory().numTensors;
    expect(() => toBatch(new Float32Array(5), [2, 1])).toThrow(
      new RangeError('values has 5 numbers, expected a multiple of 2 for examples of shape [2, 1]'),
    );
    expect(() => toBatch(new Float32Array(4), [2], Int32Array.of(1))).toThrow(
      new RangeError('labels has 1 labels, expected one for each of the 2 examples'),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a batch is freed with everything that its condition says', () => {
    const before = tf.memory().numTensors;
    disposeBatch({
      x0: tf.zeros([2, 1]),
      condition: { label: tf.zeros([2]), image: tf.zeros([2, 4, 4, 3]) },
    });
    disposeBatch({ x0: tf.zeros([2, 1]) });
    expect(tf.memory().numTensors).toBe(before);
  });
});
