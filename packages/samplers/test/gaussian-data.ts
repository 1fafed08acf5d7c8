import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  type Prediction,
  type ReverseProcess,
  reverseProcess,
  type Variance,
} from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { type Denoiser, lookup, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { SamplerStep } from '../src/index.js';

/** For data N(0, s²) per element: x̂_0 = x0OfXt · x_t and ε̂ = epsilonOfXt · x_t, exactly. */
export function exact(
  alphaBar: number,
  s2: number,
): { marginal: number; x0OfXt: number; epsilonOfXt: number } {
  const marginal = alphaBar * s2 + 1 - alphaBar;
  return {
    marginal,
    x0OfXt: (Math.sqrt(alphaBar) * s2) / marginal,
    epsilonOfXt: Math.sqrt(1 - alphaBar) / marginal,
  };
}

/** The variance of the exact p(x_{t−1} | x_t): that of the posterior and that of what it does not know of x_0. */
export function exactVariance(schedule: NoiseSchedule, t: number, s2: number): number {
  const alphaBar = schedule.alphaBars[t]!;
  const ofX0 = (s2 * (1 - alphaBar)) / exact(alphaBar, s2).marginal;
  return schedule.posteriorVariance[t]! + schedule.posteriorMeanCoefX0[t]! ** 2 * ofX0;
}

/** The exact network for data N(0, s²); its timesteps are the indices of `schedule`. */
export function exactDenoiser(schedule: NoiseSchedule, s2: number, predicts: Prediction): Denoiser {
  const factors = Array.from(schedule.alphaBars, (alphaBar, t) => {
    const { x0OfXt, epsilonOfXt } = exact(alphaBar, s2);
    if (predicts === 'x0') return x0OfXt;
    if (predicts === 'epsilon') return epsilonOfXt;
    if (predicts === 'v') return Math.sqrt(alphaBar) * epsilonOfXt - Math.sqrt(1 - alphaBar) * x0OfXt;
    return schedule.posteriorMeanCoefX0[t]! * x0OfXt + schedule.posteriorMeanCoefXt[t]!;
  });
  return (xt, t) => tf.mul(lookup(factors, t, xt.rank), xt);
}

export function exactProcess(
  schedule: NoiseSchedule,
  s2: number,
  predicts: Prediction,
  variance: Variance = 'fixedSmall',
): ReverseProcess {
  const denoiser = exactDenoiser(schedule, s2, predicts);
  return reverseProcess({ forward: gaussianDiffusion(schedule), denoiser, predicts, variance });
}

export const zeroNoise: Rng = {
  normal: (shape) => tf.zeros([...shape]),
  uniform: (shape) => tf.zeros([...shape]),
  integers: (shape) => tf.zeros([...shape], 'int32'),
  fork: () => zeroNoise,
  rows: () => zeroNoise,
};

/** Runs a sampler to its end. */
export async function finish(run: AsyncGenerator<SamplerStep, tf.Tensor>): Promise<tf.Tensor> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}

export function variance(x: tf.Tensor): number {
  return tf.tidy(() => tf.mean(tf.square(x)).dataSync()[0]!);
}
