import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { PerExample, Rng } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Distribution } from './distribution.js';
import type { Gaussian } from './gaussian.js';

/**
 * A fixed process q that turns data x_0 into noise x_T. `D` is what its conditionals are: Gaussian unless said otherwise.
 * Tensors are `[batch, …]` of any rank; a time is one for all or one for each example, on the host.
 */
export interface ForwardProcess<D extends Distribution = Gaussian> {
  /** How noise grows with time. */
  readonly schedule: NoiseSchedule;
  /** The noise that `sample` makes x_t of. */
  noise(rng: Rng, shape: readonly number[]): Tensor;
  /** x_t ~ q(x_t | x_0), a function of the noise. */
  sample(x0: Tensor, t: PerExample, noise: Tensor): Tensor;
  /** q(x_t | x_0); at `schedule.end` it is what the bound compares with `prior`. */
  marginal(x0: Tensor, t: PerExample): D;
  /** q(x_s | x_t, x_0), s of less noise than t. */
  posterior(x0: Tensor, xt: Tensor, t: PerExample, s: PerExample): D;
  /** p(x_T), from which the reverse process starts. */
  prior(shape: readonly number[]): D;
}
