import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { mapExamples, type PerExample, rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import {
  atOnce,
  fixedSmall,
  type GaussianEvaluation,
  type GaussianReverseProcess,
  type ReverseProcessOptions,
  reverseProcess,
} from '../src/index.js';

/** x_t made of known x_0 and noise, and the process of a network that knows both. */
export interface Omniscient {
  x0: tf.Tensor;
  noise: tf.Tensor;
  xt: tf.Tensor;
  reverse: GaussianReverseProcess;
  evaluate(): GaussianEvaluation;
}

export function omniscient(
  schedule: NoiseSchedule,
  t: PerExample,
  options: Pick<ReverseProcessOptions, 'predicts'> & Partial<ReverseProcessOptions>,
): Omniscient {
  const batch = typeof t === 'number' ? 3 : t.length;
  const forward = gaussianDiffusion(schedule);
  const x0 = rng(1).normal([batch, 3, 2]);
  const noise = rng(2).normal([batch, 3, 2]);
  const xt = forward.sample(x0, t, noise);
  const reverse: GaussianReverseProcess = reverseProcess({
    forward,
    denoiser: () => reverse.target(x0, t, noise),
    variance: fixedSmall,
    ...options,
  });
  return { x0, noise, xt, reverse, evaluate: () => atOnce(reverse.evaluate(xt, t)) };
}

/**
 * Asserts that every example is as close as float32 lets a sum of terms of these sizes be: a network that says ε of almost
 * pure noise says almost nothing of x_0.
 */
export function expectClosePerExample(actual: tf.Tensor, expected: tf.Tensor, sizes: PerExample): void {
  tf.unstack(actual).forEach((row, i) => {
    const size = typeof sizes === 'number' ? sizes : sizes[i]!;
    expectAllClose(row, tf.unstack(expected)[i]!, { relative: 0, absolute: 1e-6 * (1 + size) });
  });
}

/** How large what x̂_0 is made of is at each example's time: skip · x_t and out · F. */
export function sizeOfX0(
  { predicts, forward: { schedule } }: ReverseProcessOptions,
  t: PerExample,
): PerExample {
  return mapExamples(t, (time) => {
    const level = schedule.level(time);
    const { skip, out } = predicts.at(level, schedule);
    const ofF = Math.abs((1 - skip * level.alpha) / out) + Math.abs((skip * level.sigma) / out);
    return Math.abs(skip) * (level.alpha + level.sigma) + Math.abs(out) * ofF;
  });
}
