import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Denoiser } from '@diffusion-ts/tensor';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';

/** What an exact denoiser can be asked for. */
export type ExactPrediction = 'epsilon' | 'x0' | 'v';

/**
 * A distribution of x_0 under Gaussian diffusion whose every conditional mean is known. `xt` is `[batch, …]`, `t` int32
 * `[batch]` indices of the schedule; results are new tensors of the shape of `xt`.
 */
export interface ExactDistribution {
  /** E[x_0 | x_t], what a network trained without end on squared error would say. */
  x0(schedule: NoiseSchedule, xt: Tensor, t: Tensor1D): Tensor;
  /** ∇ ln q(x_t). */
  score(schedule: NoiseSchedule, xt: Tensor, t: Tensor1D): Tensor;
  /**
   * The perfect network for a schedule. Like every network it is told `schedule.timesteps[t]`, so the one made for a
   * schedule serves whatever that is respaced to.
   * @throws RangeError if the schedule's timesteps are not whole numbers.
   */
  denoiser(schedule: NoiseSchedule, predicts: ExactPrediction): Denoiser;
}
