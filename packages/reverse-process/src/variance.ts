import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Which variance p_θ(x_{t−1} | x_t) has:
 *
 * - `fixedSmall`: β̃_t, and `fixedLarge`: β_t, the two extremes of Ho et al. 2020, section 3.2. Index 0, where β̃ = 0,
 *   takes β̃ of index 1 in both;
 * - `learned`: the network's second half of channels is ln σ²;
 * - `learnedRange`: it is v ∈ [−1, 1], and ln σ² lies (v + 1)/2 of the way from ln β̃_t to ln β_t (Nichol and Dhariwal
 *   2021, eq. 15).
 */
export type Variance = 'fixedSmall' | 'fixedLarge' | 'learned' | 'learnedRange';

/** Whether the network's last axis holds C channels of the prediction and C more of the variance. */
export function isLearned(variance: Variance): boolean {
  return variance === 'learned' || variance === 'learnedRange';
}

/**
 * ln σ_t²: `[batch, 1, …, 1]` of the given rank where it is fixed, and of the shape of `raw`, the network's second half
 * of channels, where it is learned.
 */
export function logVariance(
  schedule: NoiseSchedule,
  variance: Variance,
  t: tf.Tensor1D,
  rank: number,
  raw: tf.Tensor | undefined,
): tf.Tensor {
  const small = schedule.posteriorLogVarianceClipped;
  if (variance === 'fixedSmall') return lookup(small, t, rank);
  if (variance === 'fixedLarge') {
    return lookup(
      schedule.betas.map((beta, i) => (i === 0 ? small[0]! : Math.log(beta))),
      t,
      rank,
    );
  }
  if (raw === undefined) throw new TypeError(`output.variance is missing: the variance is ${variance}`);
  if (variance === 'learned') return tf.clone(raw);
  const logBetas = schedule.betas.map(Math.log);
  const middle = logBetas.map((large, i) => (large + small[i]!) / 2);
  const halfWidth = logBetas.map((large, i) => (large - small[i]!) / 2);
  return tf.tidy(() => tf.add(lookup(middle, t, rank), tf.mul(lookup(halfWidth, t, rank), raw)));
}
