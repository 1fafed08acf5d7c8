import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { Condition } from './condition.js';

/**
 * The seam between networks and everything else: the raw output of a network for noisy data `xt` `[batch, …]`, told the
 * time of each example as float32 `[batch]` (the number that the prediction tells, the time itself unless it says
 * otherwise). A model's `apply`, a closed form, an ONNX session or a server will do: what answers later returns a promise,
 * which is awaited wherever no gradient is asked for. The output belongs to the caller.
 */
export type Denoiser = (xt: Tensor, told: Tensor1D, condition?: Condition) => Tensor | Promise<Tensor>;
