import { expectAllClose, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { conv2d, type KernelName, type Kernels, silu } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

const registered: KernelName[] = [];
afterEach(() => {
  for (const name of registered.splice(0)) tf.unregisterKernel(name, 'cpu');
});

function register<K extends KernelName>(
  name: K,
  compute: (inputs: Kernels[K]['inputs'], attrs: Kernels[K]['attrs']) => tf.Tensor,
): void {
  registered.push(name);
  tf.registerKernel({
    kernelName: name,
    backendName: 'cpu',
    kernelFunc: ({ inputs, attrs }) => compute(inputs as Kernels[K]['inputs'], attrs as Kernels[K]['attrs']),
  });
}

it('runs the kernel that the active backend registered, forward and in the gradient', () => {
  const x = tf.tensor1d([2, 3]);
  const composed = silu(x).dataSync();
  register('DiffusionSilu', ({ x }) => tf.mul(x, 10));
  register('DiffusionSiluGrad', ({ dy, x }) => tf.tidy(() => tf.add(tf.mul(dy, 100), x)));
  expectAllClose(silu(x), [20, 30]);
  expectAllClose(tf.grad((t) => silu(t))(x), [102, 103]);
  tf.unregisterKernel(registered.shift()!, 'cpu');
  expectAllClose(silu(x), composed);
  expectAllClose(tf.grad((t) => silu(t))(x), [102, 103]);
});

it('computes only the gradients that are asked for', () => {
  register('DiffusionConv2DBackpropInput', () => {
    throw new Error('nobody asked for the gradient of x');
  });
  const x = tf.ones([1, 3, 3, 1]) as tf.Tensor4D;
  const weight = tf.ones([3, 3, 1, 1]) as tf.Tensor4D;
  expectAllClose(tf.grad((w) => conv2d(x, w as tf.Tensor4D, undefined))(weight), Array(9).fill(1));
  expect(() => tf.grad((t) => conv2d(t as tf.Tensor4D, weight, undefined))(x)).toThrow(/nobody asked/);
});

it('puts one node on the tape for the composed form', async () => {
  const { kernels } = await tf.profile(() => tf.grad((t) => silu(t))(tf.ones([3])));
  const names = kernels.map(({ name }) => name);
  expect(names.filter((name) => name.startsWith('DiffusionSilu'))).toEqual([
    'DiffusionSiluComposed',
    'DiffusionSiluGradComposed',
  ]);
});
