import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ExactDistribution } from './distribution.js';
import { type AtNoiseLevel, exactDenoiser } from './exact-denoiser.js';
import { type ExactBound, gaussianBound, reverseVariance } from './gaussian-bound.js';

/** Data whose components are independent N(m, s²), in tensors of any shape. */
export interface AnalyticGaussian extends ExactDistribution {
  /** x_0 of the given shape; the first axis counts examples. */
  sample(rng: Rng, shape: readonly number[]): tf.Tensor;
  /** ½ log₂(2πe s²): differential entropy in bits per dimension. No bound is below it. */
  readonly entropy: number;
  /** σ_t² of the exact reverse process, which is Gaussian: the variance of q(x_{t−1} | x_t), float64 by index. */
  reverseVariance(schedule: NoiseSchedule): Float64Array;
  /**
   * The expected variational bound, term by term in bits per dimension, of the reverse process whose means are exact and
   * whose variances are given by index; by default the exact ones, with which the bound is the entropy plus
   * KL(q(x_T) ‖ N(0, 1)). L_0 is a density, as of losses' `gaussian` decoder.
   */
  bound(schedule: NoiseSchedule, variances?: Float64Array): ExactBound;
  /** Where the probability-flow ODE (Song et al. 2021, eq. 13) takes x_T: DDIM with ever more steps ends there. */
  flow(schedule: NoiseSchedule, xT: tf.Tensor): tf.Tensor;
}

/** @throws RangeError if the deviation is not positive. */
export function gaussian({ mean, deviation }: { mean: number; deviation: number }): AnalyticGaussian {
  if (!(deviation > 0)) throw new RangeError(`deviation must be positive, not ${deviation}`);
  /** Var[x_t] = ᾱ_t s² + 1 − ᾱ_t. */
  const marginalVariance = (alphaBar: number): number => alphaBar * deviation ** 2 + 1 - alphaBar;

  /** xt − √ᾱ_t m. */
  const centred: AtNoiseLevel = (alphaBars, xt, t) =>
    tf.sub(
      xt,
      lookup(
        alphaBars.map((alphaBar) => Math.sqrt(alphaBar) * mean),
        t,
        xt.rank,
      ),
    );
  const x0: AtNoiseLevel = (alphaBars, xt, t) => {
    const gain = alphaBars.map(
      (alphaBar) => (Math.sqrt(alphaBar) * deviation ** 2) / marginalVariance(alphaBar),
    );
    return tf.tidy(() => tf.add(tf.mul(lookup(gain, t, xt.rank), centred(alphaBars, xt, t)), mean));
  };
  const score: AtNoiseLevel = (alphaBars, xt, t) => {
    const precision = alphaBars.map((alphaBar) => 1 / marginalVariance(alphaBar));
    return tf.tidy(() => tf.neg(tf.mul(lookup(precision, t, xt.rank), centred(alphaBars, xt, t))));
  };

  return {
    x0: (schedule, xt, t) => x0(schedule.alphaBars, xt, t),
    score: (schedule, xt, t) => score(schedule.alphaBars, xt, t),
    denoiser: (schedule, predicts) => exactDenoiser(x0, score, schedule, predicts),
    sample: (rng, shape) => tf.tidy(() => tf.add(tf.mul(rng.normal(shape), deviation), mean)),
    entropy: 0.5 * Math.log2(2 * Math.PI * Math.E * deviation ** 2),
    reverseVariance: (schedule) => reverseVariance(schedule, deviation),
    bound: (schedule, variances = reverseVariance(schedule, deviation)) =>
      gaussianBound(schedule, mean, deviation, variances),
    flow(schedule, xT) {
      const alphaBar = schedule.alphaBars[schedule.steps - 1]!;
      const scale = deviation / Math.sqrt(marginalVariance(alphaBar));
      return tf.tidy(() => tf.add(tf.mul(tf.sub(xT, Math.sqrt(alphaBar) * mean), scale), mean));
    },
  };
}
