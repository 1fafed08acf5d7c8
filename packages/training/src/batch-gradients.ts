import type { Loss } from '@diffusion-ts/losses';
import {
  type Condition,
  disposeParams,
  type Params,
  type Rng,
  sameShape,
  takeRows,
  valueAndGrad,
  zipParams,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** The process that the parameters describe. `rng` is for networks that draw (dropout); its row i is example i. */
export type ReverseOf<R> = (params: Params, rng: Rng) => R;

/** What a loss is computed on: one row per example in everything. */
export interface Examples {
  readonly x0: tf.Tensor;
  readonly t: Float64Array;
  readonly noise: tf.Tensor;
  /** Factor of each example's loss in the sum whose gradient is taken. */
  readonly weights: Float64Array;
  readonly condition?: Condition;
}

export type BatchGradients = {
  /** Unweighted, `[batch]`. */
  readonly perExample: tf.Tensor1D;
  /** Of Σ w_i L_i. */
  readonly grads: Params;
};

export interface BatchGradientsOptions<R> {
  readonly params: Params;
  /** The moving average of the parameters, for losses that look at it. */
  readonly ema?: Params;
  readonly reverse: ReverseOf<R>;
  readonly loss: Loss<R>;
  readonly examples: Examples;
  /** The most examples that are computed on at a time. */
  readonly microBatch: number;
  readonly rng: Rng;
}

/**
 * The losses of a batch and the gradient of their weighted sum, computed a part of the batch at a time: the gradients
 * of the parts add up to that of the whole, at the memory of a part. The caller disposes the result.
 */
export function batchGradients<R>(options: BatchGradientsOptions<R>): BatchGradients {
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
function partGradients<R>(
  { params, ema, reverse, loss, examples, rng }: BatchGradientsOptions<R>,
  first: number,
  count: number,
): BatchGradients {
  return tf.tidy(() => {
    const { weights, ...part } =
      count === examples.x0.shape[0] ? examples : sliceExamples(examples, first, count);
    let losses: tf.Tensor1D | undefined;
    try {
      const { grads } = valueAndGrad((params) => {
        const { perExample } = loss({
          reverse: reverse(params, rng.rows(first)),
          // Of the same numbers: where the network drops, the average drops alike.
          ...(ema && { average: reverse(ema, rng.rows(first)) }),
          ...part,
        });
        if (!sameShape(perExample.shape, [count])) {
          throw new RangeError(
            `loss must return one value per example, [${count}], not [${perExample.shape}]`,
          );
        }
        losses = tf.keep(perExample);
        return tf.sum(tf.mul(perExample, tf.tensor1d(Float32Array.from(weights))));
      })(params);
      return { perExample: losses!, grads };
    } catch (error) {
      losses?.dispose();
      throw error;
    }
  });
}

/** The rows `first` … `first + count − 1`, tensors as new ones. */
function sliceExamples(
  { x0, t, noise, weights, condition }: Examples,
  first: number,
  count: number,
): Examples {
  const rows = (tensor: tf.Tensor): tf.Tensor => tf.slice(tensor, [first], [count]);
  return {
    x0: rows(x0),
    t: t.slice(first, first + count),
    noise: rows(noise),
    weights: weights.slice(first, first + count),
    ...(condition && { condition: takeRows(condition, first, count) }),
  };
}

function addUp(a: Params, b: Params): Params {
  const sum = zipParams(a, b, (x, y) => tf.add(x, y));
  disposeParams(a);
  disposeParams(b);
  return sum;
}
