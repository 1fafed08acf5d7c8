import { type Condition, chooseRows, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** How often the condition is hidden in training, and what stands in its place. */
export interface ConditionDropout {
  /** The part of the examples whose condition is hidden, 0 … 1. */
  readonly rate: number;
  /**
   * What they are told instead, one row of each tensor that is hidden: of a class `{ label }`, the number of classes, by
   * the convention of `guided`. It remains the caller's.
   */
  readonly empty: Condition;
}

/**
 * Hides the condition of some examples, so that one network learns the conditional and the unconditional model (Ho &
 * Salimans 2022, algorithm 1). The result is new and belongs to the caller.
 * @throws RangeError if the condition lacks what is to be hidden.
 */
export function dropCondition(condition: Condition, { rate, empty }: ConditionDropout, rng: Rng): Condition {
  return tf.tidy(() => {
    const rows = Object.values(condition)[0]?.shape[0] ?? 0;
    const hidden = tf.less(rng.uniform([rows]), rate) as tf.Tensor1D;
    return chooseRows(hidden, empty, condition) as Condition & tf.NamedTensorMap;
  });
}

/** @throws RangeError if the rate is not in 0 … 1, or `empty` holds nothing or more than one row. */
export function checkConditionDropout({ rate, empty }: ConditionDropout): void {
  if (!(rate >= 0 && rate <= 1))
    throw new RangeError(`conditionDropout.rate must be a number in 0 … 1, not ${rate}`);
  if (Object.keys(empty).length === 0) {
    throw new RangeError('conditionDropout.empty must hold what is told where the condition is hidden');
  }
  for (const [name, { shape }] of Object.entries(empty)) {
    if (shape[0] !== 1) {
      throw new RangeError(`conditionDropout.empty.${name} must be one row, [1, …], not [${shape}]`);
    }
  }
}
