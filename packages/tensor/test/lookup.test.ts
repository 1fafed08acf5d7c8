import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { lookup } from '../src/index.js';

const table = Float64Array.of(0.1, 0.2, 0.3);

onEachBackend(() => {
  it('scales each example by the entry of its own timestep, whatever the rank', () => {
    const t = tf.tensor1d([2, 0], 'int32');
    const x = tf.tensor4d([1, 1, 10, 10], [2, 1, 2, 1]);
    const scaled = tf.mul(lookup(table, t, 4), x).dataSync();
    expect([...scaled]).toEqual([0.3, 0.3, 1, 1].map(Math.fround));
    expect(lookup(table, t, 1).shape).toEqual([2]);
  });

  it('refuses timesteps that are not one per example', () => {
    const t = tf.zeros([2, 1], 'int32') as unknown as tf.Tensor1D;
    expect(() => lookup(table, t, 2)).toThrow('t must have rank 1 (one timestep per example), not 2');
  });

  it('refuses a timestep beyond the table', () => {
    expect(() => lookup(table, tf.tensor1d([3], 'int32'), 2)).toThrow();
  });

  it('leaves no tensor behind', () => {
    const t = tf.tensor1d([1], 'int32');
    return expectNoLeak(() => lookup(table, t, 3));
  });
});
