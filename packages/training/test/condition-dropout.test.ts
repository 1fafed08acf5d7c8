import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkLabelDropout, dropLabels } from '../src/label-dropout.js';

function dropped(labels: number[], rate: number, seed = 1): number[] {
  return tf.tidy(() => {
    const result = dropLabels(tf.tensor1d(labels, 'int32'), { rate, nullLabel: 10 }, rng(seed));
    expect(result.dtype).toBe('int32');
    return Array.from(result.dataSync());
  });
}

onEachBackend(() => {
  test('a rate of 0 keeps every label, a rate of 1 none', () => {
    expect(dropped([3, 0, 9], 0)).toEqual([3, 0, 9]);
    expect(dropped([3, 0, 9], 1)).toEqual([10, 10, 10]);
  });

  test('the given part of the labels becomes the null label, and the others stay', () => {
    const labels = Array.from({ length: 20_000 }, (_, i) => i % 10);
    const result = dropped(labels, 0.3);
    const nulls = result.filter((label) => label === 10).length;
    expect(Math.abs(nulls - 6000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.3 * 0.7));
    expect(result.every((label, i) => label === 10 || label === labels[i])).toBe(true);
  });

  test('what happens to example i does not depend on the batch size', () => {
    const labels = Array.from({ length: 40 }, (_, i) => i % 10);
    expect(dropped(labels.slice(0, 7), 0.5)).toEqual(dropped(labels, 0.5).slice(0, 7));
  });

  test('it leaves no tensor behind', () =>
    expectNoLeak(() => {
      const labels = tf.tensor1d([1, 2], 'int32');
      return [labels, dropLabels(labels, { rate: 0.5, nullLabel: 10 }, rng(1))];
    }));
});

test('a rate outside 0 … 1 and a null label that is not whole are refused', () => {
  expect(() => checkLabelDropout({ rate: 1.5, nullLabel: 10 })).toThrow(/labelDropout.rate must be/);
  expect(() => checkLabelDropout({ rate: 0.1, nullLabel: -1 })).toThrow(/labelDropout.nullLabel must be/);
});
