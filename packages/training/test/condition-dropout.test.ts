import { type Condition, rng } from '@diffusion-ts/tensor';
import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkConditionDropout, dropCondition } from '../src/condition-dropout.js';

function dropped(labels: number[], rate: number, seed = 1): number[] {
  return tf.tidy(() => {
    const label = tf.tensor1d(labels, 'int32');
    const result = dropCondition(
      { label },
      { rate, empty: { label: tf.tensor1d([10], 'int32') } },
      rng(seed),
    );
    expect(result.label!.dtype).toBe('int32');
    return Array.from(result.label!.dataSync());
  });
}

onEachBackend(() => {
  test('a rate of 0 keeps every label, a rate of 1 none', () => {
    expect(dropped([3, 0, 9], 0)).toEqual([3, 0, 9]);
    expect(dropped([3, 0, 9], 1)).toEqual([10, 10, 10]);
  });

  test('the given part of the labels is hidden, and the others stay', () => {
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

  test('an example is hidden where its uniform number is below the rate, as it always was', () => {
    const uniform = Array.from(tf.tidy(() => rng(6).uniform([30]).dataSync()));
    expect(dropped(new Array(30).fill(1), 0.4, 6)).toEqual(uniform.map((u) => (u < 0.4 ? 10 : 1)));
  });

  test('of a condition of several tensors the same examples are hidden in all, and what `empty` lacks is kept', () => {
    tf.tidy(() => {
      const condition: Condition = {
        label: tf.range(0, 12, 1, 'int32'),
        image: tf.reshape(tf.range(0, 48), [12, 2, 2]),
        size: tf.range(0, 12),
      };
      const empty: Condition = { label: tf.tensor1d([99], 'int32'), image: tf.fill([1, 2, 2], -1) };
      const result = dropCondition(condition, { rate: 0.5, empty }, rng(2));
      const hidden = Array.from(result.label!.dataSync(), (label) => label === 99);
      expect(new Set(hidden)).toEqual(new Set([true, false]));
      const images = tf.unstack(result.image!).map((image) => Array.from(image.dataSync()));
      expect(images).toEqual(
        hidden.map((gone, i) => (gone ? [-1, -1, -1, -1] : [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3])),
      );
      expect(Array.from(result.size!.dataSync())).toEqual(Array.from({ length: 12 }, (_, i) => i));
    });
  });

  test('it leaves no tensor behind, and neither frees the condition nor what is told instead', () =>
    expectNoLeak(() => {
      const [label, none] = [tf.tensor1d([1, 2], 'int32'), tf.tensor1d([10], 'int32')];
      const result = dropCondition({ label }, { rate: 0.5, empty: { label: none } }, rng(1));
      expect([label.isDisposed, none.isDisposed]).toEqual([false, false]);
      return [label, none, result.label];
    }));

  test('a condition that lacks what is to be hidden is refused', () => {
    tf.tidy(() => {
      const empty = { label: tf.tensor1d([10], 'int32') };
      for (const condition of [{}, { text: tf.zeros([3, 4]) }]) {
        expect(() => dropCondition(condition, { rate: 0.5, empty }, rng(1))).toThrow(
          new RangeError('condition: "label" is missing'),
        );
      }
    });
  });

  test('a rate outside 0 … 1, nothing to tell instead, and more than one row of it are refused', () => {
    tf.tidy(() => {
      const empty = { label: tf.tensor1d([10], 'int32') };
      for (const rate of [1.5, -0.1, Number.NaN]) {
        expect(() => checkConditionDropout({ rate, empty })).toThrow(
          new RangeError(`conditionDropout.rate must be a number in 0 … 1, not ${rate}`),
        );
      }
      expect(() => checkConditionDropout({ rate: 0.1, empty: {} })).toThrow(
        new RangeError('conditionDropout.empty must hold what is told where the condition is hidden'),
      );
      for (const label of [tf.zeros([2]), tf.scalar(0)]) {
        expect(() => checkConditionDropout({ rate: 0.1, empty: { label } })).toThrow(
          new RangeError(`conditionDropout.empty.label must be one row, [1, …], not [${label.shape}]`),
        );
      }
      checkConditionDropout({ rate: 0.1, empty: { ...empty, image: tf.zeros([1, 8, 8, 3]) } });
    });
  });
});
