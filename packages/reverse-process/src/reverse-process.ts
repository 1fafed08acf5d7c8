import {
  checkShape,
  type Distribution,
  type ForwardProcess,
  type Gaussian,
} from '@diffusion-ts/forward-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import {
  axpby,
  type Condition,
  checkPerExample,
  checkTensor,
  type Denoiser,
  described,
  mapExamples,
  type PerExample,
  perExampleTensor,
  sameShape,
  whenAnswered,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Evaluation, type GaussianEvaluation, gaussianEvaluation } from './evaluation.js';
import type { Coefficients, Prediction } from './prediction.js';
import type { Variance } from './variance.js';

/**
 * The learned process p_θ, which turns noise into data: all that samplers and the bound ask for. One of your own needs no
 * more than these, and is taken as it is.
 */
export interface ReverseProcess<D extends Distribution = Gaussian> {
  /** The process q that it undoes. */
  readonly forward: ForwardProcess<D>;
  /**
   * One evaluation of the network at x_t `[batch, …]`, one time for all or one for each example. A promise, where the
   * network answers later.
   */
  evaluate(xt: tf.Tensor, t: PerExample, condition?: Condition): Evaluation<D> | Promise<Evaluation<D>>;
  /**
   * Throws where it cannot go through these times, from noise to data. Samplers ask before they begin; without it every
   * step is good.
   */
  checkTimes?(times: Float64Array): void;
}

/** What a Gaussian p_θ is made of. */
export interface ReverseProcessOptions {
  /** The process q that it undoes. */
  readonly forward: ForwardProcess;
  /** The network; it returns a tensor of the shape of x_t, with twice the channels (last axis) where the variance is learned. */
  readonly denoiser: Denoiser;
  /** What the network says: `epsilonPrediction`, `vPrediction` … (`PREDICTIONS` has them by name). */
  readonly predicts: Prediction;
  /** The variance of a step: `fixedSmall`, `learnedRange` … (`VARIANCES` has them by name). */
  readonly variance: Variance;
  /**
   * Clips the predicted x_0 to [−1, 1], or to the range given; default no. Sample and evaluate images with it, train
   * without: a clipped prediction has no gradient. It does not touch the mean of a network that predicts that mean.
   */
  readonly clip?: boolean | readonly [min: number, max: number];
}

/**
 * A Gaussian p_θ. It does what its options say: `{ ...reverse, clip: true }` is the same network in a process that clips,
 * `{ ...reverse, denoiser }` another network in the same process.
 */
export interface GaussianReverseProcess extends ReverseProcess, ReverseProcessOptions {
  /** The process q that it undoes. */
  readonly forward: ForwardProcess;
  /** One evaluation of the network at x_t, as of any process. */
  evaluate(
    xt: tf.Tensor,
    t: PerExample,
    condition?: Condition,
  ): GaussianEvaluation | Promise<GaussianEvaluation>;
  /** @throws RangeError if the network predicts the mean of other steps than these. */
  checkTimes(times: Float64Array): void;
  /** What the network should say of x_t = α x_0 + σ noise: (x_0 − skip · x_t)/out. */
  target(x0: tf.Tensor, t: PerExample, noise: tf.Tensor): tf.Tensor;
}

/**
 * p_θ(x_s | x_t) = N(μ_θ(x_t, t), σ² I) (Ho et al. 2020, section 3.2): the mean is that of the posterior q(x_s | x_t, x̂_0)
 * of the predicted x_0, or the prediction itself where the network predicts that mean.
 * @throws TypeError if `forward`, `denoiser`, `predicts` or `variance` is none; RangeError if x_0 cannot be computed from
 * the prediction where the schedule ends, the schedule has no such variance, or the range of `clip` is empty. Its methods
 * throw RangeError if shapes do not fit or the schedule has no such time, TypeError if a time is no number.
 * @example
 * const reverse = reverseProcess({
 *   forward: gaussianDiffusion(cosine({ steps: 1000 })),
 *   denoiser: (xt, told, condition) => model.apply(params, xt, told, condition),
 *   predicts: vPrediction,
 *   variance: fixedSmall,
 *   clip: true, // to sample images from, not to train with
 * });
 */
export function reverseProcess(options: ReverseProcessOptions): GaussianReverseProcess {
  const { clip, forward, denoiser } = options;
  if (typeof forward?.schedule?.level !== 'function') {
    throw new TypeError(
      `forward must be a process, such as gaussianDiffusion(cosine({ steps: 1000 })), not ${described(forward)}`,
    );
  }
  if (typeof denoiser !== 'function') {
    throw new TypeError(`denoiser must be a function of (xt, told, condition), not ${described(denoiser)}`);
  }
  checkIs('predicts', options.predicts, 'a prediction, such as vPrediction or PREDICTIONS.v');
  checkIs('variance', options.variance, 'a variance, such as fixedSmall or VARIANCES.fixedSmall');
  const { schedule } = forward;
  coefficientsAt(options, schedule.level(schedule.end));
  options.variance.at(schedule, schedule.end, schedule.start);
  if (Array.isArray(clip) && !(clip[0] < clip[1])) {
    throw new RangeError(`clip must be a range [min, max] with min < max, not [${clip[0]}, ${clip[1]}]`);
  }
  return {
    ...options,
    evaluate(xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      const { schedule } = this.forward;
      const of = (f: (coefficients: Coefficients, t: number) => number): PerExample =>
        mapExamples(t, (time) => f(coefficientsAt(this, schedule.level(time)), time));
      const inputs = tf.tidy((): [tf.Tensor, tf.Tensor1D] => [
        axpby(
          of((coefficients) => coefficients.in ?? 1),
          xt,
          0,
          xt,
        ),
        perExampleTensor(
          of(({ told }, time) => told ?? time),
          xt.shape[0]!,
        ),
      ]);
      const answer = (output: tf.Tensor): GaussianEvaluation => {
        checkTensor('what the denoiser returned', output);
        try {
          return gaussianEvaluation(this, xt, t, split(output, xt, this.variance));
        } finally {
          if (output !== xt) output.dispose();
        }
      };
      return whenAnswered(
        () => this.denoiser(...inputs, condition),
        answer,
        () => tf.dispose(inputs),
      );
    },
    checkTimes(times) {
      const { schedule } = this.forward;
      times.subarray(0, -1).forEach((t, i) => {
        const { meanAt } = coefficientsAt(this, schedule.level(t));
        if (meanAt === undefined || meanAt === times[i + 1]) return;
        throw new RangeError(
          `the times go from ${t} to ${times[i + 1]}, but a network that predicts the previous mean can only take the steps it was trained on: leave the list of times out`,
        );
      });
    },
    target(x0, t, noise) {
      checkPerExample('t', t, 'x0', x0);
      checkShape('noise', noise, 'x0', x0);
      const { schedule } = this.forward;
      const of = (f: (coefficients: Coefficients, level: NoiseLevel) => number): PerExample =>
        mapExamples(t, (time) => {
          const level = schedule.level(time);
          return f(coefficientsAt(this, level), level);
        });
      return axpby(
        of(({ skip, out }, { alpha }) => (1 - skip * alpha) / out),
        x0,
        of(({ skip, out }, { sigma }) => (-skip * sigma) / out),
        noise,
      );
    },
  };
}

/** @throws TypeError where what came is no such value: in JavaScript it may be a name, and a string has an `at` too. */
function checkIs(name: string, value: { name?: unknown; at?: unknown }, meaning: string): void {
  if (typeof value?.name !== 'string' || typeof value.at !== 'function')
    throw new TypeError(`${name} must be ${meaning}, not ${described(value)}`);
}

/** @throws RangeError where the prediction says nothing of x_0, or the network could be told nothing. */
function coefficientsAt({ predicts, forward }: ReverseProcessOptions, level: NoiseLevel): Coefficients {
  const coefficients = predicts.at(level, forward.schedule);
  const { skip, out, told = 0 } = coefficients;
  if ([skip, out, told].every(Number.isFinite)) return coefficients;
  throw new RangeError(
    `a network that predicts ${predicts.name} says nothing of x_0 at t = ${level.t}, where the signal is ${level.alpha}: predict v, x0 or flow on this schedule`,
  );
}

function split(
  output: tf.Tensor,
  xt: tf.Tensor,
  { learned, name }: Variance,
): Pick<GaussianEvaluation, 'prediction' | 'raw'> {
  const expected = learned ? [...xt.shape.slice(0, -1), 2 * xt.shape[xt.rank - 1]!] : xt.shape;
  if (!sameShape(output.shape, expected)) {
    throw new RangeError(
      `the denoiser must return shape [${expected}] for xt of shape [${xt.shape}] and ${name} variance, not [${output.shape}]`,
    );
  }
  if (!learned) return { prediction: tf.clone(output) };
  const [prediction, raw] = tf.split(output, 2, -1);
  return { prediction: prediction!, raw: raw! };
}
