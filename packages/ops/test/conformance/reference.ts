import { rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';

/** A tensor in plain float64: what the ops are compared with knows nothing of tfjs. */
export interface Array64 {
  shape: number[];
  values: Float64Array;
}

export function array64(shape: number[], values?: ArrayLike<number>): Array64 {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, values: values ? Float64Array.from(values) : new Float64Array(size) };
}

/** Standard normal float32 numbers, as the tensor and as the float64 array of the same numbers. */
export function normal(seed: number, shape: number[]): Array64 {
  const tensor = rng(seed).normal(shape);
  const values = tensor.dataSync();
  tensor.dispose();
  return array64(shape, values);
}

export function toTensor<T extends tf.Tensor>({ shape, values }: Array64): T {
  return tf.tensor(Float32Array.from(values), shape, 'float32') as T;
}

/**
 * Central differences of Σ dy · f(…inputs) in float64, for every number of every input. With h = 1e-5 they are good to
 * about nine digits.
 */
export function finiteDifferences(
  f: (...inputs: Array64[]) => Array64,
  inputs: Array64[],
  dy: Array64,
): Array64[] {
  const h = 1e-5;
  const value = (): number => f(...inputs).values.reduce((sum, y, i) => sum + y * dy.values[i]!, 0);
  return inputs.map(({ shape, values }) =>
    array64(
      shape,
      values.map((x, i) => {
        values[i] = x + h;
        const above = value();
        values[i] = x - h;
        const below = value();
        values[i] = x;
        return (above - below) / (2 * h);
      }),
    ),
  );
}

/** Runs an op on tensors, and its gradients under dy; reads the numbers and disposes everything. */
export function runWithGradients(
  op: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: Array64[],
  dy: Array64,
): { y: Float32Array; shape: number[]; gradients: Float32Array[] } {
  const tensors = inputs.map((input) => toTensor(input));
  const weights = toTensor(dy);
  const y = tf.tidy(() => op(...tensors));
  const { value, grads } = tf.valueAndGrads(
    (...xs: tf.Tensor[]) => tf.sum(tf.mul(op(...xs), weights)) as tf.Scalar,
  )(tensors);
  const result = {
    y: y.dataSync<'float32'>(),
    shape: y.shape,
    gradients: grads.map((grad) => grad.dataSync<'float32'>()),
  };
  tf.dispose([tensors, weights, y, value, grads]);
  return result;
}

/** Close to four digits, or to 1e-5 of the largest number: sums of float32 lose what cancels. */
export function expectClose(actual: ArrayLike<number>, expected: Array64): void {
  const largest = expected.values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expectAllClose(actual, expected.values, { relative: 1e-4, absolute: 1e-5 * largest + 1e-7 });
}

/** Asserts that the op and its gradients for all inputs equal those of the reference. */
export function expectConforms(
  op: (...inputs: tf.Tensor[]) => tf.Tensor,
  reference: { y: Array64; gradients(dy: Array64): Array64[] },
  inputs: Array64[],
): void {
  const dy = normal(99, reference.y.shape);
  const actual = runWithGradients(op, inputs, dy);
  expectClose(actual.y, reference.y);
  reference.gradients(dy).forEach((gradient, i) => {
    expectClose(actual.gradients[i]!, gradient);
  });
}
