import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { Gaussian } from './gaussian.js';

/**
 * A fixed process q that turns data x_0 into noise x_T. `Distribution` is what its conditionals are: Gaussian unless
 * said otherwise. Tensors `[batch, …]` of any rank; `t` int32 `[batch]`, one index 0 … steps − 1 per example.
 */
export interface ForwardProcess<Distribution = Gaussian> {
  readonly schedule: NoiseSchedule;
  /** x_t ~ q(x_t | x_0), made from `noise` of the shape of `x0`. */
  sample(x0: Tensor, t: Tensor1D, noise: Tensor): Tensor;
  /** q(x_{t−1} | x_t, x_0). */
  posterior(x0: Tensor, xt: Tensor, t: Tensor1D): Distribution;
  /** q(x_T | x_0), T the last index. */
  prior(x0: Tensor): Distribution;
}
