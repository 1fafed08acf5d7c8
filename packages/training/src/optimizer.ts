import type { Params } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/** What an optimizer remembers from step to step: trees of the names and shapes of the parameters, by its own names. */
export type Slots = Readonly<Record<string, Params>>;

/** What one step of an optimizer is given. All trees have the names and shapes of `params`. */
export interface OptimizerStep {
  /** The parameters before the step. */
  readonly params: Params;
  /** Their gradients. */
  readonly grads: Params;
  /** What the last step left to remember, or `init`. */
  readonly slots: Slots;
  /** 1 at the first step. */
  readonly step: number;
  /** The rate of this step. */
  readonly learningRate: number;
  /**
   * The moving average, for an optimizer that advances it in the same pass: ema ← ema + (1 − decay)(p − ema), p the new
   * parameters. Where it returns none, that is done for it.
   */
  readonly ema?: { readonly params: Params; readonly decay: number };
}

/** Fresh tensors, or the old ones of what does not change: those are left alone, so that a step can be refused. */
export interface OptimizerResult {
  /** The parameters after the step. */
  readonly params: Params;
  /** What to remember. */
  readonly slots: Slots;
  /** The moving average, where the optimizer has advanced it. */
  readonly ema?: Params;
  /** `[2]`: the norm of all gradients before clipping, and of all new parameters; the step is refused where one is not finite. */
  readonly norms: tf.Tensor1D;
}

/** How gradients become new parameters. */
export interface Optimizer {
  /** The slots before the first step. The caller disposes them. */
  init(params: Params): Slots;
  /** Called inside a tidy. */
  update(step: OptimizerStep): OptimizerResult;
}
