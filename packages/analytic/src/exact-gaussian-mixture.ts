import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Affine, marginalVariance } from './affine.js';
import { type ExactDistribution, exactDistribution } from './exact-distribution.js';

/** Points of a mixture of K round Gaussians in D dimensions; `xt` is `[batch, D]`. */
export interface ExactGaussianMixture extends ExactDistribution {
  /** x_0 as `[count, D]`. */
  sample(rng: Rng, count: number): tf.Tensor2D;
}

/**
 * The mixture of N(means[k], deviations[k]² I) with the given weights, which are divided by their sum.
 * @throws RangeError if the lists differ in length or are empty, the means in dimension, or a weight or a deviation is
 * not positive.
 */
export function exactGaussianMixture({
  weights,
  means,
  deviations,
}: {
  /** How likely each component is, up to a factor: K positive numbers. */
  weights: readonly number[];
  /** The centre of each, K points of D numbers. */
  means: readonly (readonly number[])[];
  /** The standard deviation of each, K positive numbers. */
  deviations: readonly number[];
}): ExactGaussianMixture {
  const components = weights.length;
  const dimension = check(weights, means, deviations);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const meansTensor = (): tf.Tensor2D => tf.tensor2d(means.flat(), [components, dimension]);

  return {
    ...exactDistribution((quantity, schedule, xt, t) => {
      if (xt.rank !== 2 || xt.shape[1] !== dimension) {
        throw new RangeError(`xt must have shape [batch, ${dimension}], not [${xt.shape}]`);
      }
      const levels = Array.from(typeof t === 'number' ? [t] : t, (time) => {
        const level = schedule.level(time);
        const variances = deviations.map((deviation) => marginalVariance(level, deviation));
        return { alpha: level.alpha, variances, affines: deviations.map(quantity(level)) };
      });
      /** A number for each component at every level, `[batch, K]`; `[1, K]` where there is one level for all. */
      const each = (f: (level: (typeof levels)[number], k: number) => number): tf.Tensor2D =>
        tf.tensor2d(
          Float32Array.from({ length: levels.length * components }, (_, i) =>
            f(levels[Math.floor(i / components)]!, i % components),
          ),
          [levels.length, components],
        );
      return tf.tidy(() => {
        const signals = each(({ alpha }) => alpha);
        const centred = tf.sub(tf.expandDims(xt, 1), tf.mul(tf.expandDims(signals, 2), meansTensor()));
        const halfPrecisions = each(({ variances }, k) => 0.5 / variances[k]!);
        const exponents = tf.mul(halfPrecisions, tf.sum(tf.square(centred), 2));
        const logPeaks = each(
          ({ variances }, k) => Math.log(weights[k]!) - (dimension / 2) * Math.log(variances[k]!),
        );
        /** The chance that x_t came from each component. */
        const chances = tf.softmax(tf.sub(logPeaks, exponents));
        const likely = (part: keyof Affine): tf.Tensor2D =>
          tf.mul(
            chances,
            each(({ affines }, k) => affines[k]![part]),
          );
        return tf.add(
          tf.mul(tf.sum(likely('ofXt'), 1, true), xt),
          tf.matMul(likely('ofMean'), meansTensor()),
        );
      });
    }),
    sample(rng, count) {
      // The component is the number of these that a uniform number has passed; the last is out of reach.
      const ends = weights.map((_, k) =>
        k === components - 1 ? 2 : weights.slice(0, k + 1).reduce((sum, weight) => sum + weight, 0) / total,
      );
      return tf.tidy(() => {
        const passed = tf.greaterEqual(rng.uniform([count, 1]), tf.tensor2d([ends]));
        const component = tf.sum(tf.cast(passed, 'int32'), 1);
        const centre = tf.gather(meansTensor(), component);
        const deviation = tf.gather(tf.tensor2d(deviations.map((s) => [s])), component);
        return tf.add(centre, tf.mul(deviation, rng.normal([count, dimension])));
      });
    },
  };
}

function check(
  weights: readonly number[],
  means: readonly (readonly number[])[],
  deviations: readonly number[],
): number {
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
  return first.length;
}
