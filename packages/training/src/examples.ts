import * as tf from '@tensorflow/tfjs-core';

/** What a loss is computed on: one row per example in every tensor. */
export interface Examples {
  readonly x0: tf.Tensor;
  readonly t: tf.Tensor1D;
  readonly noise: tf.Tensor;
  /** Factor of each example's loss. */
  readonly weights: tf.Tensor1D;
  readonly labels?: tf.Tensor1D;
}

/** The rows `first` … `first + count − 1`, as new tensors. */
export function sliceExamples(
  { x0, t, noise, weights, labels }: Examples,
  first: number,
  count: number,
): Examples {
  const rows = <T extends tf.Tensor>(tensor: T): T => tf.slice(tensor, [first], [count]);
  return {
    x0: rows(x0),
    t: rows(t),
    noise: rows(noise),
    weights: rows(weights),
    ...(labels && { labels: rows(labels) }),
  };
}
