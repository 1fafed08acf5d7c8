import type { Variance } from '@diffusion-ts/reverse-process';
import { between, type DiscreteSchedule, type NoiseSchedule } from '@diffusion-ts/schedules';
import { axpby, mapExamples, type PerExample, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Affine, marginalVariance } from './affine.js';
import { type ExactBound, exactBound } from './exact-bound.js';
import { type ExactDistribution, exactDistribution } from './exact-distribution.js';

/** Data whose components are independent N(m, s²), in tensors of any shape. */
export interface ExactGaussian extends ExactDistribution {
  /** x_0 of the given shape; the first axis counts examples. */
  sample(rng: Rng, shape: readonly number[]): tf.Tensor;
  /** ½ log₂(2πe s²): differential entropy in bits per dimension. No bound is below it. */
  readonly entropy: number;
  /** Var[x_s | x_t] = β Var[x_s] / Var[x_t], s of less noise than t. */
  reverseVariance(schedule: NoiseSchedule, t: number, s: number): number;
  /** The same as the variance of a reverse process, which with an exact denoiser is then the true one. */
  readonly variance: Variance;
  /**
   * The expected variational bound, term by term in bits per dimension, of the reverse process whose means are exact and
   * whose variance is given; by default the exact one, with which the bound is the entropy plus KL(q(x_T) ‖ p(x_T)). L_0
   * is a density, as of losses' `gaussian` decoder.
   * @throws RangeError if the variance is one that a network says.
   */
  bound(schedule: DiscreteSchedule, variance?: Variance): ExactBound;
  /**
   * Where the probability-flow ODE (Song et al. 2021, eq. 13) takes x_T: DDIM with ever more steps ends there. It can go
   * from any time to any other, towards the noise too, and keeps (x_t − E[x_t]) / √Var[x_t].
   */
  flow(schedule: NoiseSchedule, xT: tf.Tensor, from?: number, to?: number): tf.Tensor;
}

/**
 * Data N(mean, deviation² I).
 * @throws RangeError if the deviation is not positive.
 */
export function exactGaussian({
  mean,
  deviation,
}: {
  /** Of every component. */
  mean: number;
  /** The standard deviation of every component, positive. */
  deviation: number;
}): ExactGaussian {
  if (!(deviation > 0)) throw new RangeError(`deviation must be positive, not ${deviation}`);

  const reverseVariance: ExactGaussian['reverseVariance'] = (schedule, t, s) => {
    const [from, to] = [schedule.level(t), schedule.level(s)];
    if (!(to.logSnr > from.logSnr)) {
      throw new RangeError(`s is ${s}, expected a time of less noise than t, which is ${t}`);
    }
    return (between(to, from).beta * marginalVariance(to, deviation)) / marginalVariance(from, deviation);
  };
  const variance: Variance = {
    name: 'exact',
    learned: false,
    at: (schedule, t, s) => ({ offset: Math.log(reverseVariance(schedule, t, s)), ofRaw: 0 }),
  };
  /** ofXt x + ofMean m. */
  const affine = (x: tf.Tensor, ofXt: PerExample, ofMean: PerExample): tf.Tensor =>
    tf.tidy(() =>
      axpby(
        ofXt,
        x,
        mapExamples(ofMean, (factor) => factor * mean),
        tf.onesLike(x),
      ),
    );

  return {
    ...exactDistribution((quantity, schedule, xt, t) => {
      const of = (part: keyof Affine): PerExample =>
        mapExamples(t, (time) => quantity(schedule.level(time))(deviation)[part]);
      return affine(xt, of('ofXt'), of('ofMean'));
    }),
    sample: (rng, shape) => tf.tidy(() => tf.add(tf.mul(rng.normal(shape), deviation), mean)),
    entropy: 0.5 * Math.log2(2 * Math.PI * Math.E * deviation ** 2),
    reverseVariance,
    variance,
    bound: (schedule, given = variance) => exactBound(schedule, { mean, deviation, reverseVariance }, given),
    flow(schedule, xT, from = schedule.end, to = schedule.start) {
      const [noisy, clean] = [schedule.level(from), schedule.level(to)];
      const scale = Math.sqrt(marginalVariance(clean, deviation) / marginalVariance(noisy, deviation));
      return affine(xT, scale, clean.alpha - noisy.alpha * scale);
    },
  };
}
