import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { checkTimesteps } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('accepts one int32 timestep per example', () => {
  expect(() => checkTimesteps('xt', tf.zeros([3, 2]), tf.tensor1d([0, 1, 2], 'int32'))).not.toThrow();
});

it('refuses a t that would broadcast over the batch', () => {
  expect(() => checkTimesteps('xt', tf.zeros([3, 2]), tf.tensor1d([0], 'int32'))).toThrow(
    'one timestep per example of xt: shape [1] came for xt of shape [3,2]',
  );
});

it('refuses a t that is not int32', () => {
  expect(() => checkTimesteps('xt', tf.zeros([1]), tf.tensor1d([0]))).toThrow(
    new TypeError('t must be int32, not float32'),
  );
});
