import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { type Dataset, disposeBatch, moons, toBatch, withoutLabels } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('keeps every example and drops its class', async () => {
  const labelled = moons({ size: 8, seed: 1 });
  const plain = withoutLabels(labelled);
  const wanted = await labelled.batch([5, 0]);
  const { x0, condition } = await plain.batch([5, 0]);
  expect([...x0.dataSync()]).toEqual([...wanted.x0.dataSync()]);
  expect(wanted.condition?.label).toBeDefined();
  expect(condition).toBeUndefined();
  expect(plain.classes).toBeUndefined();
  expect([plain.size, plain.shape, plain.range]).toEqual([labelled.size, labelled.shape, labelled.range]);
});

it('keeps what else the condition says, and what the dataset knows of itself', async () => {
  class Numbered implements Dataset {
    readonly size = 4;
    readonly shape = [1];
    readonly range = [0, 3] as const;
    readonly classes = ['even', 'odd'];
    readonly #offset = 10;
    async batch(indices: ArrayLike<number>) {
      const { x0, condition } = toBatch(
        Float32Array.from(indices),
        [1],
        Int32Array.from(indices, (i) => i % 2),
      );
      const step = tf.tensor1d(Array.from(indices, (i) => i + this.#offset));
      return { x0, condition: { ...condition, step } };
    }
  }
  const { condition, x0 } = await withoutLabels(new Numbered()).batch([3, 1]);
  expect(Object.keys(condition!)).toEqual(['step']);
  expect([...condition!.step!.dataSync()]).toEqual([13, 11]);
  disposeBatch({ x0, condition: condition! });
});

it('frees the labels that it drops', () => {
  const plain = withoutLabels(moons({ size: 8, seed: 1 }));
  return expectNoLeak(() => plain.batch([1, 2, 3]));
});
