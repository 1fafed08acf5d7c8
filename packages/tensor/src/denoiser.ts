import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';

/** What a network may be told beside x_t and t. */
export interface Condition {
  /** Class of each example: int32 `[batch]`. */
  readonly labels?: Tensor1D;
}

/**
 * The seam between networks and everything else: the raw output of a network for noisy data `xt` `[batch, …]` at the
 * timesteps `t` (int32 `[batch]`). A model's `apply`, an ONNX session or a closed form will do.
 */
export type Denoiser = (xt: Tensor, t: Tensor1D, condition?: Condition) => Tensor;
