import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { dropout } from '../src/dropout.js';

onEachBackend(() => {
  it('zeroes the given share of numbers and scales the others up, so that the mean stays', () => {
    const x = tf.fill([100, 100], 3);
    const y = dropout(x, 0.25, rng(1));
    const values = Array.from(y.dataSync());
    tf.dispose([x, y]);
    expect([...new Set(values)].toSorted()).toEqual([0, 4]);
    const dropped = values.filter((value) => value === 0).length / values.length;
    // Five standard errors of 10,000 draws.
    expectAllClose(dropped, 0.25, { absolute: 5 * Math.sqrt((0.25 * 0.75) / values.length) });
  });

  it('drops nothing at rate 0 or without a source of randomness', () => {
    const x = tf.tensor1d([1, 2]);
    expect(dropout(x, 0, rng(1))).toBe(x);
    expect(dropout(x, 0.5, undefined)).toBe(x);
    x.dispose();
  });

  it('drops the same of an example whatever the batch', () => {
    const x = tf.ones([3, 20]);
    const all = dropout(x, 0.5, rng(1));
    const first = dropout(tf.ones([1, 20]), 0.5, rng(1));
    expect(Array.from(all.dataSync().slice(0, 20))).toEqual(Array.from(first.dataSync()));
    tf.dispose([x, all, first]);
  });

  it('leaves no tensors behind', async () => {
    const x = tf.ones([3]);
    await expectNoLeak(() => dropout(x, 0.5, rng(1)));
    x.dispose();
  });
});
