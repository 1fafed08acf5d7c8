import {
  atOnce,
  type Coefficients,
  type GaussianReverseProcess,
  gaussianEvaluation,
} from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import {
  axpby,
  type Condition,
  checkPerExample,
  mapExamples,
  type PerExample,
  perExampleTensor,
  valueAndGrad,
  whenAnswered,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { say } from './guidance.js';

/**
 * How unwelcome each example is, in nats, `[batch]`: a differentiable function of x_t `[batch, …]` at one time for all or one
 * for each example.
 */
export type Energy = (xt: tf.Tensor, t: PerExample, condition?: Condition) => tf.Tensor;

/** What samples are drawn towards. */
export interface EnergyGuidanceOptions {
  /** E(x_t, t): the process becomes that of p(x_t) e^{−E}. */
  readonly energy: Energy;
  /** What the energy is multiplied by; default 1. */
  readonly scale?: number;
}

/**
 * The process of p(x_t) e^{−s E(x_t, t)}: from the score goes s ∇E, so to x̂_0 comes −s (σ²/α) ∇E, before it is clipped. With
 * `labelEnergy` it is classifier guidance (algorithm 2 of Dhariwal & Nichol 2021), with `energyOfX0` guidance by a property
 * of the data themselves. Where no signal is left (α = 0) x_t knows nothing, and nothing is moved. The network may answer
 * later; the energy is differentiated, and answers at once.
 *
 * @throws RangeError if the scale is not finite; when evaluated, RangeError if the energy is not one number for each example.
 * @example
 * // Bright ones: the mean of what the network sees is to be near 0.5.
 * const energy = energyOfX0(reverse, (x0) => tf.mul(50, tf.square(tf.sub(tf.mean(x0, [1, 2, 3]), 0.5))));
 * const bright = energyGuided(reverse, { energy });
 */
export function energyGuided(
  reverse: GaussianReverseProcess,
  { energy, scale = 1 }: EnergyGuidanceOptions,
): GaussianReverseProcess {
  if (!Number.isFinite(scale)) throw new RangeError(`scale must be a finite number, not ${scale}`);
  return {
    ...reverse,
    evaluate(xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      const { schedule } = this.forward;
      const ofSlope = mapExamples(t, (time) => {
        const level = schedule.level(time);
        return factor(level, this.predicts.at(level, schedule), scale);
      });
      return whenAnswered(
        () => say({ ...this, evaluate: reverse.evaluate }, xt, t, condition),
        ({ prediction, raw }) => {
          try {
            const moved = tf.tidy(() => axpby(1, prediction, ofSlope, slopeOf(energy, xt, t, condition)));
            return gaussianEvaluation(this, xt, t, { prediction: moved, ...(raw && { raw: tf.clone(raw) }) });
          } finally {
            tf.dispose([prediction, raw ?? []]);
          }
        },
        () => {},
      );
    },
  };
}

/** What ∇E is multiplied by in a prediction F, of which x_0 is skip x_t + out F. */
function factor({ alpha, sigma }: NoiseLevel, { out }: Coefficients, scale: number): number {
  return alpha === 0 ? 0 : (-scale * sigma ** 2) / (alpha * out);
}

/** ∇E, of the shape of x_t. */
function slopeOf(energy: Energy, xt: tf.Tensor, t: PerExample, condition: Condition | undefined): tf.Tensor {
  const { value, grads } = valueAndGrad(({ xt: x }) => {
    const each = energy(x!, t, condition);
    if (each.rank !== 1 || each.shape[0] !== x!.shape[0]) {
      throw new RangeError(
        `energy must return one number for each example, shape [${x!.shape[0]}], not [${each.shape}]`,
      );
    }
    return tf.sum(each);
  })({ xt });
  value.dispose();
  return grads.xt!;
}

/**
 * −ln p(y | x_t) of a classifier, with the labels y of the condition: the energy of classifier guidance.
 * @param classifier of noisy examples: of x_t, told the time as float32 `[batch]`, the logits `[batch, classes]`, at once.
 * @throws (when evaluated) TypeError if the condition has no labels.
 * @example
 * const sevens = energyGuided(reverse, { energy: labelEnergy(classifier), scale: 2 });
 * const x0 = await finish(ddim({ times: trailing(50) })(sevens, xT, { condition: { label } }));
 */
export function labelEnergy(classifier: (xt: tf.Tensor, t: tf.Tensor1D) => tf.Tensor): Energy {
  return (xt, t, condition) => {
    const { label } = condition ?? {};
    if (label === undefined)
      throw new TypeError('condition.label is missing, and a classifier needs one to guide to');
    return tf.tidy(() => {
      const logits = classifier(xt, perExampleTensor(t, xt.shape[0]!));
      const chosen = tf.oneHot(tf.cast(label, 'int32'), logits.shape[1]!);
      return tf.sub(tf.logSumExp(logits, 1), tf.sum(tf.mul(chosen, logits), 1));
    });
  };
}

/**
 * An energy of x̂_0(x_t), what the network sees of the data, through which the gradient is taken (diffusion posterior
 * sampling, Chung et al. 2023). It evaluates the network once more, at once.
 */
export function energyOfX0(
  reverse: GaussianReverseProcess,
  energy: (x0: tf.Tensor, t: PerExample) => tf.Tensor,
): Energy {
  return (xt, t, condition) => tf.tidy(() => energy(atOnce(reverse.evaluate(xt, t, condition)).x0(), t));
}
