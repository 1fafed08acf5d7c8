import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { checkShape } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('accepts equal shapes, and refuses one that would broadcast', () => {
  expect(() => checkShape('noise', tf.zeros([2, 3]), 'x0', tf.ones([2, 3]))).not.toThrow();
  expect(() => checkShape('noise', tf.zeros([1, 3]), 'x0', tf.ones([2, 3]))).toThrow(
    new RangeError('noise must have the shape of x0, [2,3], not [1,3]'),
  );
});
