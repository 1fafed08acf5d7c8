import type { Loss } from '@diffusion-ts/losses';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { disposeParams, type Params, type Rng, valueAndGrad, zipParams } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Examples, sliceExamples } from './examples.js';

/** The process that the parameters describe. `rng` is for networks that draw (dropout); its row i is example i. */
export type ReverseOf = (params: Params, rng: Rng) => ReverseProcess;

export type BatchGradients = {
  /** Unweighted, `[batch]`. */
  readonly perExample: tf.Tensor1D;
  /** Of (1/batch) Σ w_i L_i. */
  readonly grads: Params;
};

export interface BatchGradientsOptions {
  readonly params: Params;
  readonly reverse: ReverseOf;
  readonly loss: Loss;
  readonly examples: Examples;
  /** The most examples that are computed on at a time. */
  readonly microBatch: number;
  readonly rng: Rng;
}

/**
 * The losses of a batch and the gradient of their weighted mean, computed a part of the batch at a time: the gradients
 * of the parts add up to that of the whole, at the memory of a part. The caller disposes the result.
 */
export function batchGradients(options: BatchGradientsOptions): BatchGradients {
  const size = options.examples.x0.shape[0]!;
  const losses: tf.Tensor1D[] = [];
  let sum: Params = {};
  try {
    for (let first = 0; first < size; first += options.microBatch) {
      const part = partGradients(options, first, Math.min(options.microBatch, size - first));
      losses.push(part.perExample);
      sum = first === 0 ? part.grads : addUp(sum, part.grads);
    }
    return { perExample: tf.concat1d(losses), grads: sum };
  } catch (error) {
    disposeParams(sum);
    throw error;
  } finally {
    tf.dispose(losses);
  }
}

/** The losses of `count` examples from `first` on, and what they add to the gradient. */
function partGradients(options: BatchGradientsOptions, first: number, count: number): BatchGradients {
  const size = options.examples.x0.shape[0]!;
  const rng = options.rng.rows(first);
  return tf.tidy(() => {
    const whole = count === size;
    const { x0, t, noise, weights, labels } = whole
      ? options.examples
      : sliceExamples(options.examples, first, count);
    let losses: tf.Tensor1D | undefined;
    const { grads } = valueAndGrad((params) => {
      const { perExample } = options.loss(options.reverse(params, rng), x0, t, noise, labels && { labels });
      if (!tf.util.arraysEqual(perExample.shape, [count])) {
        throw new RangeError(`loss must return one value per example, [${count}], not [${perExample.shape}]`);
      }
      losses = tf.keep(perExample);
      return tf.div(tf.sum(tf.mul(perExample, weights)), size);
    })(options.params);
    return { perExample: losses!, grads };
  });
}

function addUp(a: Params, b: Params): Params {
  const sum = zipParams(a, b, (x, y) => tf.add(x, y));
  disposeParams(a);
  disposeParams(b);
  return sum;
}
