import {
  checkShape,
  checkTimesteps,
  type ForwardProcess,
  type Gaussian,
} from '@diffusion-ts/forward-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { type Condition, type Denoiser, lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { epsilonFromV, epsilonFromX0 } from './epsilon.js';
import type { Prediction } from './prediction.js';
import { vFromX0 } from './v.js';
import { isLearned, logVariance, type Variance } from './variance.js';
import { x0FromEpsilon, x0FromPrevious, x0FromV } from './x0.js';

/** What the network said, split into what it predicts and, where the variance is learned, what it says of that. */
export type NetworkOutput = {
  /** The shape of x_t. */
  readonly prediction: tf.Tensor;
  /** Raw, the shape of x_t; only where the variance is learned. */
  readonly variance?: tf.Tensor;
};

/**
 * The learned process p_θ. `xt` is `[batch, …]` of any rank, `t` int32 `[batch]`. Every result is new and belongs to the
 * caller. A method given `output` asks the network nothing, and leaves `output` alone. It bears the options it was made
 * of: `reverseProcess({ ...reverse, clip: true })` is the same network in a process that clips.
 */
export interface ReverseProcess extends ReverseProcessOptions {
  /** One evaluation of the network, which is told `schedule.timesteps[t]`. */
  network(xt: tf.Tensor, t: tf.Tensor1D, condition?: Condition): NetworkOutput;
  /** The clean data and the noise that the network sees in x_t: x_t = √ᾱ_t x0 + √(1 − ᾱ_t) epsilon. */
  predict(
    xt: tf.Tensor,
    t: tf.Tensor1D,
    condition?: Condition,
    output?: NetworkOutput,
  ): { x0: tf.Tensor; epsilon: tf.Tensor };
  /** p_θ(x_{t−1} | x_t), and the x_0 that it rests on. */
  transition(
    xt: tf.Tensor,
    t: tf.Tensor1D,
    condition?: Condition,
    output?: NetworkOutput,
  ): Gaussian & { readonly x0: tf.Tensor };
  /** What `prediction` should be, x_t having been made from `x0` and `noise`. */
  target(x0: tf.Tensor, xt: tf.Tensor, t: tf.Tensor1D, noise: tf.Tensor): tf.Tensor;
}

export interface ReverseProcessOptions {
  readonly forward: ForwardProcess;
  /** The network; it returns a tensor of the shape of x_t, with twice the channels (last axis) where the variance is learned. */
  readonly denoiser: Denoiser;
  readonly predicts: Prediction;
  readonly variance: Variance;
  /**
   * Clips the predicted x_0 to [−1, 1], or to the range given; default no. Sample and evaluate images with it, train
   * without: a clipped prediction has no gradient. It does not touch the mean of a network that predicts that mean.
   */
  readonly clip?: boolean | readonly [min: number, max: number];
}

/**
 * p_θ(x_{t−1} | x_t) = N(μ_θ(x_t, t), σ_t² I) (Ho et al. 2020, section 3.2): the mean is the posterior mean
 * μ̃_t(x_t, x̂_0) of the predicted x_0, or the prediction itself where the network predicts that mean.
 * @throws RangeError if ᾱ_T = 0 and the network predicts ε, or the range of `clip` is empty; its methods throw TypeError
 * if `t` is not int32, and RangeError if shapes do not fit.
 */
export function reverseProcess(options: ReverseProcessOptions): ReverseProcess {
  const { forward, denoiser, predicts, variance } = options;
  const { schedule } = forward;
  if (predicts === 'epsilon' && schedule.alphaBars.includes(0)) {
    throw new RangeError(
      "predicts must be 'v' or 'x0' on a schedule that ends at zero signal (ᾱ = 0), not 'epsilon': x0 cannot be computed from it there",
    );
  }
  const clipX0 = clipper(options.clip ?? false);
  const told = toldTimesteps(schedule);

  function rawX0(xt: tf.Tensor, t: tf.Tensor1D, prediction: tf.Tensor): tf.Tensor {
    switch (predicts) {
      case 'epsilon':
        return x0FromEpsilon(schedule, xt, t, prediction);
      case 'x0':
        return tf.clone(prediction);
      case 'v':
        return x0FromV(schedule, xt, t, prediction);
      case 'previous':
        return x0FromPrevious(schedule, xt, t, prediction);
    }
  }

  function predictX0(xt: tf.Tensor, t: tf.Tensor1D, prediction: tf.Tensor): tf.Tensor {
    const x0 = rawX0(xt, t, prediction);
    return clipX0 === undefined ? x0 : clipX0(x0);
  }

  function epsilonOf(xt: tf.Tensor, t: tf.Tensor1D, prediction: tf.Tensor, x0: tf.Tensor): tf.Tensor {
    // A clipped x0 has a noise of its own; otherwise the network's is the more exact one.
    if (clipX0 === undefined && predicts === 'epsilon') return tf.clone(prediction);
    if (clipX0 === undefined && predicts === 'v') return epsilonFromV(schedule, xt, t, prediction);
    return epsilonFromX0(schedule, xt, t, x0);
  }

  function network(xt: tf.Tensor, t: tf.Tensor1D, condition?: Condition): NetworkOutput {
    checkTimesteps('xt', xt, t);
    return tf.tidy(() => split(denoiser(xt, told(t), condition), xt, variance));
  }

  return {
    ...options,
    network,
    predict(xt, t, condition, output) {
      checkTimesteps('xt', xt, t);
      return tf.tidy(() => {
        const { prediction } = output ?? network(xt, t, condition);
        const x0 = predictX0(xt, t, prediction);
        return { x0, epsilon: epsilonOf(xt, t, prediction, x0) };
      });
    },
    transition(xt, t, condition, output) {
      checkTimesteps('xt', xt, t);
      return tf.tidy(() => {
        const { prediction, variance: raw } = output ?? network(xt, t, condition);
        const x0 = predictX0(xt, t, prediction);
        const mean = predicts === 'previous' ? tf.clone(prediction) : forward.posterior(x0, xt, t).mean;
        const logSigma2 = logVariance(schedule, variance, t, xt.rank, raw);
        return { mean, variance: tf.exp(logSigma2), logVariance: logSigma2, x0 };
      });
    },
    target(x0, xt, t, noise) {
      checkTimesteps('x0', x0, t);
      checkShape('noise', noise, 'x0', x0);
      switch (predicts) {
        case 'epsilon':
          return tf.clone(noise);
        case 'x0':
          return tf.clone(x0);
        case 'v':
          return vFromX0(schedule, x0, t, noise);
        case 'previous':
          return tf.tidy(() => forward.posterior(x0, xt, t).mean);
      }
    },
  };
}

function clipper(
  clip: boolean | readonly [min: number, max: number],
): ((x0: tf.Tensor) => tf.Tensor) | undefined {
  if (clip === false) return undefined;
  const [min, max] = clip === true ? [-1, 1] : clip;
  if (!(min < max))
    throw new RangeError(`clip must be a range [min, max] with min < max, not [${min}, ${max}]`);
  return (x0) => tf.clipByValue(x0, min, max);
}

/** The timesteps as the network knows them: t itself unless the schedule was respaced; int32 where they are whole. */
function toldTimesteps(schedule: NoiseSchedule): (t: tf.Tensor1D) => tf.Tensor1D {
  const { timesteps } = schedule;
  if (timesteps.every((timestep, i) => timestep === i)) return (t) => t;
  const dtype = timesteps.every(Number.isInteger) ? 'int32' : 'float32';
  return (t) => tf.cast(lookup(timesteps, t, 1) as tf.Tensor1D, dtype);
}

function split(output: tf.Tensor, xt: tf.Tensor, variance: Variance): NetworkOutput {
  const learned = isLearned(variance);
  const expected = learned ? [...xt.shape.slice(0, -1), 2 * xt.shape[xt.rank - 1]!] : xt.shape;
  if (!tf.util.arraysEqual(output.shape, expected)) {
    throw new RangeError(
      `the denoiser must return shape [${expected}] for xt of shape [${xt.shape}] and ${variance} variance, not [${output.shape}]`,
    );
  }
  if (!learned) return { prediction: output };
  const [prediction, raw] = tf.split(output, 2, -1);
  return { prediction: prediction!, variance: raw! };
}
