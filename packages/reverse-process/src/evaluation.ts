import { type Distribution, type Gaussian, gaussian } from '@diffusion-ts/forward-process';
import { axpby, mapExamples, type PerExample, zipExamples } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Coefficients } from './prediction.js';
import type { ReverseProcessOptions } from './reverse-process.js';

/**
 * One evaluation of a network at x_t, and all that can be asked about it. What a method returns is new and belongs to the
 * caller; the evaluation itself holds on to what the network said until it is disposed, and x_t must live as long.
 */
export interface Evaluation<D extends Distribution = Gaussian> {
  /** x̂_0, the data that the network sees in x_t. */
  x0(): tf.Tensor;
  /** p_θ(x_s | x_t), for any s of less noise than t. */
  to(s: PerExample): D;
  /** Frees what the network said. */
  dispose(): void;
}

/** An evaluation in a Gaussian process. */
export interface GaussianEvaluation extends Evaluation {
  /** ε̂, the noise that it sees: x_t = α x̂_0 + σ ε̂. */
  epsilon(): tf.Tensor;
  /** What the network said, of the shape of x_t. */
  readonly prediction: tf.Tensor;
  /** What it said of the variance, of the same shape; only where that is learned. */
  readonly raw?: tf.Tensor;
  /** The same evaluation with the prediction a constant to the gradient, so that the variance alone is taught. */
  withConstantPrediction(): GaussianEvaluation;
}

type Said = Pick<GaussianEvaluation, 'prediction' | 'raw'>;

/**
 * The answers that follow from what a network said at x_t, or from what guidance makes of it; the tensors are then the
 * evaluation's.
 */
export function gaussianEvaluation(
  options: ReverseProcessOptions,
  xt: tf.Tensor,
  t: PerExample,
  { prediction, raw }: Said,
): GaussianEvaluation {
  const { predicts, variance, clip = false } = options;
  const { schedule } = options.forward;
  const of = (f: (coefficients: Coefficients, alpha: number, sigma: number) => number): PerExample =>
    mapExamples(t, (time) => {
      const level = schedule.level(time);
      return f(predicts.at(level, schedule), level.alpha, level.sigma);
    });

  const x0 = (): tf.Tensor =>
    tf.tidy(() => {
      const free = axpby(
        of(({ skip }) => skip),
        xt,
        of(({ out }) => out),
        prediction,
      );
      if (clip === false) return free;
      const [min, max] = clip === true ? [-1, 1] : clip;
      return tf.clipByValue(free, min, max);
    });

  return {
    prediction,
    ...(raw && { raw }),
    x0,
    epsilon() {
      if (clip === false) {
        const ofXt = of(({ skip }, alpha, sigma) => (1 - alpha * skip) / sigma);
        return axpby(
          ofXt,
          xt,
          of(({ out }, alpha, sigma) => (-alpha * out) / sigma),
          prediction,
        );
      }
      // A clipped x̂_0 has a noise of its own.
      return tf.tidy(() =>
        axpby(
          of((_, __, sigma) => 1 / sigma),
          xt,
          of((_, alpha, sigma) => -alpha / sigma),
          x0(),
        ),
      );
    },
    to(s) {
      return tf.tidy(() => {
        const mean = isMeanAt(
          s,
          of(({ meanAt = Number.NaN }) => meanAt),
        )
          ? tf.clone(prediction)
          : options.forward.posterior(x0(), xt, t, s).mean;
        const offset = zipExamples(t, s, (t, s) => variance.at(schedule, t, s).offset);
        if (raw === undefined) return gaussian({ mean, logVariance: offset }) as Gaussian & tf.NamedTensorMap;
        const ofRaw = zipExamples(t, s, (t, s) => variance.at(schedule, t, s).ofRaw);
        const logVariance = axpby(ofRaw, raw, offset, tf.onesLike(raw));
        return gaussian({ mean, logVariance }) as Gaussian & tf.NamedTensorMap;
      });
    },
    dispose() {
      tf.dispose([prediction, ...(raw ? [raw] : [])]);
    },
    withConstantPrediction: () =>
      gaussianEvaluation(options, xt, t, { prediction: asConstant(prediction), ...(raw && { raw }) }),
  };
}

/**
 * Whether the network's answer is itself the mean at s.
 * @throws RangeError where it is the mean at another time, so that it cannot take this step.
 */
function isMeanAt(s: PerExample, meanAt: PerExample): boolean {
  const first = typeof meanAt === 'number' ? meanAt : meanAt[0]!;
  if (Number.isNaN(first)) return false;
  zipExamples(s, meanAt, (s, own) => {
    if (s === own) return s;
    throw new RangeError(
      `s is ${s}, but the network predicts the mean at ${own}, and can only take the steps it was trained on`,
    );
  });
  return true;
}

/** The same values, seen as a constant by the gradient. */
export function asConstant(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((...args) => {
    const input = args[0] as tf.Tensor;
    return { value: tf.clone(input), gradFunc: (dy) => tf.zerosLike(dy) };
  })(x);
}
