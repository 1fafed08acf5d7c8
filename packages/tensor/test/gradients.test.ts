import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('registers the gradients that tfjs-core leaves out, in plain Node', () => {
  for (const kernel of ['Sum', 'Conv2D', 'BatchMatMul', 'AvgPool', 'GatherV2', 'Concat']) {
    expect(tf.getGradient(kernel)?.kernelName).toBe(kernel);
  }
});

it('differentiates a convolution through the bundled gradients', () => {
  const filterGradient = tf.grad((filter: tf.Tensor) =>
    tf.sum(tf.conv2d(tf.ones([1, 3, 3, 1]) as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same')),
  )(tf.ones([3, 3, 1, 1]));
  expect([...filterGradient.dataSync()]).toEqual([4, 6, 4, 6, 9, 6, 4, 6, 4]);
});
