import { rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { useNode } from '../src/index.js';

export function normal<T extends tf.Tensor>(seed: number, shape: number[]): T {
  return rng(seed).normal(shape) as T;
}

/** What `f` and its gradients give on a backend, as numbers. */
async function on(
  backend: 'cpu' | 'tensorflow',
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  shapes: number[][],
): Promise<Float32Array[]> {
  await (backend === 'cpu' ? tf.setBackend('cpu') : useNode());
  return tf.tidy(() => {
    const inputs = shapes.map((shape, i) => normal(i + 1, shape));
    const y = f(...inputs);
    const dy = normal(99, y.shape);
    return [y, ...tf.grads(f)(inputs, dy)].map((tensor) => tensor.dataSync<'float32'>());
  });
}

/** Holds what `f` and its gradients give in TensorFlow to what ops composes on the cpu. */
export async function expectSame(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  ...shapes: number[][]
): Promise<void> {
  const expected = await on('cpu', f, shapes);
  const actual = await on('tensorflow', f, shapes);
  expected.forEach((values, i) => {
    // Sums of a hundred thousand float32 numbers lose digits on either side.
    const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    expectAllClose(actual[i]!, values, { relative: 1e-4, absolute: 2e-5 * largest });
  });
}
