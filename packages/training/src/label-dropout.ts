import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

export interface LabelDropout {
  /** The part of the examples whose class is hidden, 0 … 1. */
  readonly rate: number;
  /** The label they get instead: the number of classes, by the convention of `guided`. */
  readonly nullLabel: number;
}

/**
 * Hides the class of some examples, so that one network learns the conditional and the unconditional model (Ho &
 * Salimans 2022, algorithm 1). `labels` int32 `[batch]`; the result is new and belongs to the caller.
 */
export function dropLabels(labels: tf.Tensor1D, { rate, nullLabel }: LabelDropout, rng: Rng): tf.Tensor1D {
  return tf.tidy(() => {
    const dropped = tf.less(rng.uniform(labels.shape), rate);
    return tf.where(dropped, tf.fill(labels.shape, nullLabel, 'int32'), labels);
  });
}

/** @throws RangeError if the rate is not in 0 … 1 or the null label is no whole number from 0 up. */
export function checkLabelDropout({ rate, nullLabel }: LabelDropout): void {
  if (!(rate >= 0 && rate <= 1))
    throw new RangeError(`labelDropout.rate must be a number in 0 … 1, not ${rate}`);
  if (!Number.isInteger(nullLabel) || nullLabel < 0) {
    throw new RangeError(`labelDropout.nullLabel must be a whole number from 0 up, not ${nullLabel}`);
  }
}
