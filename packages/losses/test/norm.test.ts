import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { huber, l1, l2 } from '../src/index.js';

const errors = [-3, -1, -0.5, 0, 0.1, 1, 2];

onEachBackend(() => {
  it('l2 is the square of an error, l1 its size', () => {
    expectAllClose(l2(tf.tensor1d(errors)), [9, 1, 0.25, 0, 0.01, 1, 4]);
    expectAllClose(l1(tf.tensor1d(errors)), [3, 1, 0.5, 0, 0.1, 1, 2]);
  });

  it('Huber’s is half the square up to 1, and from there on the line that goes on from it', () => {
    expectAllClose(huber(tf.tensor1d(errors)), [2.5, 0.5, 0.125, 0, 0.005, 0.5, 1.5]);
  });

  it('their slopes are 2d, the sign of d, and d up to ±1', () => {
    const at = tf.tensor1d([-3, -0.5, 0.1, 2]);
    expectAllClose(tf.grad(l2)(at), [-6, -1, 0.2, 4]);
    expectAllClose(tf.grad(l1)(at), [-1, -1, 1, 1]);
    expectAllClose(tf.grad(huber)(at), [-1, -0.5, 0.1, 1]);
  });

  it('leave no tensor behind', async () => {
    const d = tf.tensor1d(errors);
    for (const norm of [l1, l2, huber]) await expectNoLeak(() => norm(d));
  });
});
