import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition } from '@diffusion-ts/tensor';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';

/** One value per example, `[batch]`: what is minimised, and where a loss is a sum, its parts by name. */
export type LossTerms = { readonly perExample: Tensor1D } & Readonly<Record<string, Tensor1D>>;

/**
 * A loss at given timesteps and noise, with one evaluation of the network. `x0` and `noise` are `[batch, …]`, `t` int32
 * `[batch]`; averages go over everything but the batch. The caller disposes the result.
 */
export type Loss = (
  reverse: ReverseProcess,
  x0: Tensor,
  t: Tensor1D,
  noise: Tensor,
  condition?: Condition,
) => LossTerms;
