import type { NoiseLevel } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * The deterministic step of first order: x_s = (σ_s/σ_t) x_t + (α_s − α_t σ_s/σ_t) x̂_0. It is DDIM with η = 0 (Song et al.
 * 2021, eq. 12), Euler's step on the probability-flow ODE of Karras et al. 2022 and on that of rectified flow, each in its
 * own frame.
 */
export function firstOrder(
  from: NoiseLevel,
  to: NoiseLevel,
): {
  /** The factor of x_t. */
  readonly ofX: number;
  /** The factor of x̂_0. */
  readonly ofX0: number;
} {
  const ofX = to.sigma / from.sigma;
  return { ofX, ofX0: to.alpha - from.alpha * ofX };
}

/** That step taken: x and x̂_0 `[batch, …]` at `from`, the result at `to`. */
export function firstOrderStep({
  x,
  x0,
  from,
  to,
}: {
  /** The sample. */
  readonly x: Tensor;
  /** What the network sees in it. */
  readonly x0: Tensor;
  /** The level that it is at. */
  readonly from: NoiseLevel;
  /** The level to go to. */
  readonly to: NoiseLevel;
}): Tensor {
  const { ofX, ofX0 } = firstOrder(from, to);
  return axpby(ofX, x, ofX0, x0);
}
