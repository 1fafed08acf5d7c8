import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { type Condition, checkPerExample, type PerExample, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { mixtureOf } from './components.js';
import { type ExactDistribution, exactDistribution } from './exact-distribution.js';

/**
 * Points of a mixture of K round Gaussians in D dimensions; `xt` is `[batch, D]`. Where components have classes, a condition
 * `{ label }`, int32 `[batch]`, leaves each example those of its class, and all of them where it is the number of classes.
 */
export interface ExactGaussianMixture extends ExactDistribution {
  /** How many classes there are; 1 where none were given. */
  readonly classes: number;
  /** x_0 as `[count, D]`, all of one class where that is named. */
  sample(rng: Rng, count: number, label?: number): tf.Tensor2D;
  /** ln q(x_t), or ln q(x_t | class), `[batch]` in nats; at the time of the data that of x_0. */
  logDensity(schedule: NoiseSchedule, xt: tf.Tensor, t: PerExample, condition?: Condition): tf.Tensor1D;
  /** The perfect classifier of x_t: ln p(y | x_t) up to a constant, `[batch, classes]`, told the time. */
  classifier(schedule: NoiseSchedule): (xt: tf.Tensor, t: tf.Tensor1D) => tf.Tensor;
}

/** What a mixture is made of. */
export interface GaussianMixtureOptions {
  /** How likely each component is, up to a factor: K positive numbers. */
  readonly weights: readonly number[];
  /** The centre of each, K points of D numbers. */
  readonly means: readonly (readonly number[])[];
  /** The standard deviation of each, K positive numbers. */
  readonly deviations: readonly number[];
  /** The class of each, whole numbers from 0 on; default one class for all. */
  readonly labels?: readonly number[];
}

/**
 * The mixture of N(means[k], deviations[k]² I) with the given weights, which are divided by their sum.
 * @throws RangeError if the lists differ in length or are empty, the means in dimension, a weight or a deviation is
 * not positive, or a label is no whole number from 0 on.
 */
export function exactGaussianMixture(options: GaussianMixtureOptions): ExactGaussianMixture {
  const { weights, means, deviations, labels } = options;
  check(options);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mixture = mixtureOf({
    weights: weights.map((weight) => weight / total),
    means: Float32Array.from(means.flat()),
    deviations,
    labels,
  });
  const { dimension, classes } = mixture;
  const checkPoints = (xt: tf.Tensor): void => {
    if (xt.rank === 2 && xt.shape[1] === dimension) return;
    throw new RangeError(`xt must have shape [batch, ${dimension}], not [${xt.shape}]`);
  };

  return {
    classes,
    sample: (rng, count, label) => {
      if (label === undefined || (labels ?? [0]).includes(label)) return mixture.sample(rng, count, label);
      throw new RangeError(`label must be one of the classes, 0 … ${classes - 1}, not ${label}`);
    },
    ...exactDistribution((quantity, schedule, xt, t, condition) => {
      checkPoints(xt);
      return mixture.expectation(quantity, schedule, xt, t, condition);
    }),
    logDensity(schedule, xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      checkPoints(xt);
      return tf.tidy(() => {
        const joint = tf.logSumExp(mixture.logJoint(schedule, xt, t, condition), 1) as tf.Tensor1D;
        const label = condition?.label;
        if (label === undefined) return joint;
        const shares = Array.from({ length: classes + 1 }, (_, c) =>
          weights.reduce((sum, weight, k) => sum + (c === classes || labels?.[k] === c ? weight : 0), 0),
        );
        const logShare = tf.tensor1d(shares.map((share) => Math.log(share / total)));
        return tf.sub(joint, tf.gather(logShare, tf.cast(label, 'int32')));
      });
    },
    classifier: (schedule) => (xt, t) => {
      checkPoints(xt);
      return mixture.logClasses(schedule, xt, Float64Array.from(t.dataSync()));
    },
  };
}

function check({ weights, means, deviations, labels = weights.map(() => 0) }: GaussianMixtureOptions): void {
  const [first] = means;
  if (first === undefined || weights.length !== means.length || deviations.length !== means.length) {
    throw new RangeError(
      `weights, means and deviations must have one entry per component, not ${weights.length}, ${means.length} and ${deviations.length}`,
    );
  }
  const other = means.find((mean) => mean.length !== first.length);
  if (other !== undefined) {
    throw new RangeError(`means must have one dimension, not both ${first.length} and ${other.length}`);
  }
  for (const [name, numbers] of Object.entries({ weights, deviations })) {
    const bad = numbers.find((x) => !(x > 0));
    if (bad !== undefined) throw new RangeError(`${name} must be positive, not ${bad}`);
  }
  if (labels.length !== means.length || !labels.every((label) => Number.isInteger(label) && label >= 0)) {
    throw new RangeError(
      `labels must be one whole number from 0 on for each of ${means.length} components, not [${labels}]`,
    );
  }
}
