import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkFinite, NonFiniteError, nonFiniteError } from '../src/non-finite-error.js';

onEachBackend(() => {
  test('the tensor that is named is the first one, in the order of computation, that went bad', async () => {
    const good = tf.tensor1d([1, 2]);
    const bad = tf.tensor1d([1, Number.NaN]);
    const infinite = tf.tensor1d([-Infinity, 0]);
    const named = async (
      x0: tf.Tensor,
      w: tf.Tensor,
      loss: number,
      grad: tf.Tensor,
      next: tf.Tensor,
    ): Promise<unknown[]> => {
      const error = await nonFiniteError(9, {
        x0,
        params: { u: good, w },
        loss,
        grads: { u: good, w: grad },
        next: { u: good, w: next },
      });
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error).toBeInstanceOf(RangeError);
      return [error.step, error.tensor, error.value];
    };
    expect(await named(bad, infinite, Number.NaN, bad, bad)).toEqual([9, 'x0', Number.NaN]);
    expect(await named(good, infinite, Number.NaN, bad, bad)).toEqual([9, 'parameter "w"', -Infinity]);
    expect(await named(good, good, Number.NaN, bad, bad)).toEqual([9, 'the loss', Number.NaN]);
    expect(await named(good, good, 1, infinite, bad)).toEqual([9, 'the gradient of "w"', -Infinity]);
    expect(await named(good, good, 1, good, bad)).toEqual([9, 'the new parameter "w"', Number.NaN]);
    expect(await named(good, good, 1, good, good)).toEqual([
      9,
      'the norm of the gradients or of the weights',
      Infinity,
    ]);
    tf.dispose([good, bad, infinite]);
  });

  test('a state is looked through for the first number that is not finite: weights, average, slots', async () => {
    const good = tf.tensor1d([1, 2]);
    const bad = tf.tensor1d([1, -Infinity]);
    const named = async (w: tf.Tensor, ema: tf.Tensor, m: tf.Tensor): Promise<unknown> => {
      const state = {
        step: 7,
        lossHistory: [],
        params: { u: good, w },
        ema: { u: good, w: ema },
        slots: { m: { u: good, w: m } },
      };
      return checkFinite(state).then(
        () => 'finite',
        (error: NonFiniteError) => [error.step, error.tensor, error.value],
      );
    };
    expect(await named(good, good, good)).toBe('finite');
    expect(await named(bad, bad, bad)).toEqual([7, 'parameter "w"', -Infinity]);
    expect(await named(good, bad, bad)).toEqual([7, 'average of parameter "w"', -Infinity]);
    expect(await named(good, good, bad)).toEqual([7, 'optimizer\'s m of "w"', -Infinity]);
    tf.dispose([good, bad]);
  });
});

test('the message says which step, which tensor and what was in it', () => {
  expect(new NonFiniteError(3, 'x0', Number.NaN).message).toBe(
    'step 3 was refused: x0 holds NaN, and the weights are left as they were before it',
  );
});
