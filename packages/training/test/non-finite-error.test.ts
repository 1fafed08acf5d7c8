import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { NonFiniteError, nonFiniteError } from '../src/non-finite-error.js';

onEachBackend(() => {
  test('the tensor that is named is the first one, in the order of computation, that went bad', async () => {
    const good = tf.tensor1d([1, 2]);
    const bad = tf.tensor1d([1, Number.NaN]);
    const infinite = tf.tensor1d([-Infinity, 0]);
    const named = async (x0: tf.Tensor, w: tf.Tensor, loss: number, grad: tf.Tensor): Promise<unknown[]> => {
      const error = await nonFiniteError(9, {
        x0,
        params: { u: good, w },
        loss,
        grads: { u: good, w: grad },
      });
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error).toBeInstanceOf(RangeError);
      return [error.step, error.tensor, error.value];
    };
    expect(await named(bad, infinite, Number.NaN, bad)).toEqual([9, 'x0', Number.NaN]);
    expect(await named(good, infinite, Number.NaN, bad)).toEqual([9, 'parameter "w"', -Infinity]);
    expect(await named(good, good, Number.NaN, bad)).toEqual([9, 'the loss', Number.NaN]);
    expect(await named(good, good, 1, infinite)).toEqual([9, 'the gradient of "w"', -Infinity]);
    expect(await named(good, good, 1, good)).toEqual([9, 'the gradient norm', Infinity]);
    tf.dispose([good, bad, infinite]);
  });
});

test('the message says which step, which tensor and what was in it', () => {
  expect(new NonFiniteError(3, 'x0', Number.NaN).message).toBe(
    'step 3 was refused: x0 holds NaN, and the weights are left as they were before it',
  );
});
