import '@tensorflow/tfjs-backend-wasm';
import { expectReadmeRuns } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { expect, it, vi } from 'vitest';

it('tfjs alone cannot train a convolution on wasm', async () => {
  await tf.setBackend('wasm');
  const x = tf.ones([1, 4, 4, 1]) as tf.Tensor4D;
  const f = (filter: tf.Tensor): tf.Tensor => tf.sum(tf.conv2d(x, filter as tf.Tensor4D, 1, 'same'));
  expect(() => tf.grad(f)(tf.ones([3, 3, 1, 1]))).toThrow(
    "Kernel 'Conv2DBackpropFilter' not registered for backend 'wasm'",
  );
});

it('the example of the README, a plain Layers network, trains and prints what it says', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  await expectReadmeRuns(new URL('../README.md', import.meta.url));
});
