import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ExactDistribution } from './distribution.js';
import { type AtNoiseLevel, exactDenoiser } from './exact-denoiser.js';

/** Points of a mixture of K round Gaussians in D dimensions; `xt` is `[batch, D]`. */
export interface AnalyticGaussianMixture extends ExactDistribution {
  /** x_0 as `[count, D]`. */
  sample(rng: Rng, count: number): tf.Tensor2D;
}

/**
 * The mixture of N(means[k], deviations[k]² I) with the given weights, which are divided by their sum.
 * @throws RangeError if the lists differ in length or are empty, the means in dimension, or a weight or a deviation is
 * not positive.
 */
export function gaussianMixture({
  weights,
  means,
  deviations,
}: {
  weights: readonly number[];
  means: readonly (readonly number[])[];
  deviations: readonly number[];
}): AnalyticGaussianMixture {
  const components = weights.length;
  const dimension = check(weights, means, deviations);
  const total = weights.reduce((sum, weight) => sum + weight, 0);

  /** A number per component at every noise level, as `[batch, K, 1]` for the timesteps t. */
  const perComponent = (
    alphaBars: Float64Array,
    t: tf.Tensor1D,
    f: (alphaBar: number, deviation: number, weight: number) => number,
  ): tf.Tensor => {
    const table = new Float32Array(alphaBars.length * components);
    alphaBars.forEach((alphaBar, i) => {
      deviations.forEach((deviation, k) => {
        table[i * components + k] = f(alphaBar, deviation, weights[k]!);
      });
    });
    return tf.gather(tf.tensor3d(table, [alphaBars.length, components, 1]), t);
  };
  const marginalVariance = (alphaBar: number, deviation: number): number =>
    alphaBar * deviation ** 2 + 1 - alphaBar;

  /** xt − √ᾱ_t means[k], `[batch, K, D]`. */
  const centred: AtNoiseLevel = (alphaBars, xt, t) =>
    tf.sub(tf.expandDims(xt, 1), tf.mul(perComponent(alphaBars, t, Math.sqrt), meansTensor()));
  const meansTensor = (): tf.Tensor => tf.tensor3d([means.map((mean) => [...mean])]);

  /** The chance that x_t came from each component, `[batch, K, 1]`. */
  const responsibilities = (alphaBars: Float64Array, d: tf.Tensor, t: tf.Tensor1D): tf.Tensor => {
    const logWeight = perComponent(
      alphaBars,
      t,
      (alphaBar, deviation, weight) =>
        Math.log(weight) - (dimension / 2) * Math.log(marginalVariance(alphaBar, deviation)),
    );
    const halfPrecision = perComponent(alphaBars, t, (a, s) => 0.5 / marginalVariance(a, s));
    const logits = tf.sub(logWeight, tf.mul(halfPrecision, tf.sum(tf.square(d), 2, true)));
    return tf.reshape(tf.softmax(tf.squeeze(logits, [2])), logits.shape);
  };

  const x0: AtNoiseLevel = (alphaBars, xt, t) =>
    tf.tidy(() => {
      const d = centred(alphaBars, xt, t);
      const gain = perComponent(alphaBars, t, (a, s) => (Math.sqrt(a) * s ** 2) / marginalVariance(a, s));
      const means0 = tf.add(meansTensor(), tf.mul(gain, d));
      return tf.sum(tf.mul(responsibilities(alphaBars, d, t), means0), 1);
    });
  const score: AtNoiseLevel = (alphaBars, xt, t) =>
    tf.tidy(() => {
      const d = centred(alphaBars, xt, t);
      const precision = perComponent(alphaBars, t, (a, s) => 1 / marginalVariance(a, s));
      return tf.neg(tf.sum(tf.mul(responsibilities(alphaBars, d, t), tf.mul(precision, d)), 1));
    });

  return {
    x0: (schedule, xt, t) => x0(schedule.alphaBars, xt, t),
    score: (schedule, xt, t) => score(schedule.alphaBars, xt, t),
    denoiser: (schedule, predicts) => exactDenoiser(x0, score, schedule, predicts),
    sample(rng, count) {
      // The component is the number of these that a uniform number has passed; the last is out of reach.
      const ends = weights.map((_, k) =>
        k === components - 1 ? 2 : weights.slice(0, k + 1).reduce((sum, weight) => sum + weight, 0) / total,
      );
      return tf.tidy(() => {
        const passed = tf.greaterEqual(rng.uniform([count, 1]), tf.tensor2d([ends]));
        const component = tf.sum(tf.cast(passed, 'int32'), 1);
        const centre = tf.gather(tf.tensor2d(means.map((mean) => [...mean])), component);
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
