import '@tensorflow/tfjs-backend-cpu';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { useWasm } from '../src/index.js';

/** Standard normal numbers that depend on the seed and shape alone. */
export function normal<S extends number[]>(seed: number, shape: S): tf.Tensor {
  return rng(seed).normal(shape);
}

/** What `f` computes on the cpu backend and on ours, each result as numbers. */
export async function onBoth(f: () => tf.Tensor[]): Promise<{ cpu: Float32Array[]; wasm: Float32Array[] }> {
  const run = (): Float32Array[] => tf.tidy(() => f().map((tensor) => tensor.dataSync() as Float32Array));
  await tf.setBackend('cpu');
  const cpu = run();
  await useWasm();
  return { cpu, wasm: run() };
}

/** Asserts that `f` gives on our backend what it gives on cpu, within `tolerance` of the largest number of each result, or of 1. */
export async function expectSameOnBoth(f: () => tf.Tensor[], tolerance = 1e-5): Promise<void> {
  const { cpu, wasm } = await onBoth(f);
  cpu.forEach((expected, i) => {
    const largest = expected.reduce((max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max), 0);
    expectAllClose(wasm[i]!, expected, { relative: tolerance, absolute: tolerance * (largest + 1) });
  });
}

/** The value of f and the gradients of Σ f ∘ g, where g is a fixed tensor of normal numbers. */
export function withGradients(f: (...xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[]): tf.Tensor[] {
  const y = f(...xs);
  const direction = normal(99, y.shape);
  const scalar = (...inputs: tf.Tensor[]): tf.Scalar => tf.sum(tf.mul(f(...inputs), direction)) as tf.Scalar;
  return [y, ...tf.grads(scalar as (...args: tf.Tensor[]) => tf.Tensor)(xs)];
}
