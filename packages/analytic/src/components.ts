import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Condition, PerExample, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Affine, marginalVariance } from './affine.js';
import type { Expectation } from './exact-distribution.js';

/** K round Gaussians in D dimensions, of deviation 0 where they are points. */
export interface Components {
  /** Positive, summing to anything. */
  readonly weights: readonly number[];
  /** `[K, D]`, row-major. */
  readonly means: Float32Array;
  readonly deviations: readonly number[];
  /** The class of each, 0 … classes − 1; of one class where there are none. */
  readonly labels?: readonly number[] | undefined;
}

/** What can be asked of the mixture of some components, as rows: every x is `[batch, D]`. */
export interface Mixture {
  readonly dimension: number;
  readonly classes: number;
  readonly expectation: Expectation;
  /** ln of weight times density at x_t of each component, `[batch, K]`, of which those of another class are e^−10⁹. */
  logJoint(schedule: NoiseSchedule, xt: tf.Tensor, t: PerExample, condition?: Condition): tf.Tensor;
  /** ln Σ of those of each class, `[batch, classes]`: up to a constant ln p(y | x_t). */
  logClasses(schedule: NoiseSchedule, xt: tf.Tensor, t: PerExample): tf.Tensor;
  /** x_0 as `[count, D]`, all of one class where that is named. */
  sample(rng: Rng, count: number, label?: number): tf.Tensor2D;
}

// Of e to its negative nothing is left in float32.
const IMPOSSIBLE = 1e9;

export function mixtureOf({ weights, means, deviations, labels }: Components): Mixture {
  const count = weights.length;
  const dimension = means.length / count;
  const classOf = labels ?? weights.map(() => 0);
  const classes = Math.max(...classOf) + 1;
  const meansTensor = (): tf.Tensor2D => tf.tensor2d(means, [count, dimension]);

  const levelsAt = (schedule: NoiseSchedule, t: PerExample) =>
    Array.from(typeof t === 'number' ? [t] : t, (time) => {
      const level = schedule.level(time);
      const variances = deviations.map((deviation) => marginalVariance(level, deviation));
      if (!variances.includes(0)) return { level, variances };
      throw new RangeError(`t is ${time}, where points have no density: expected a time with noise`);
    });
  /** A number for each component at every level, `[batch, K]`; `[1, K]` where there is one level for all. */
  const each = <T>(levels: readonly T[], f: (level: T, k: number) => number): tf.Tensor2D =>
    tf.tensor2d(
      Float32Array.from({ length: levels.length * count }, (_, i) =>
        f(levels[Math.floor(i / count)]!, i % count),
      ),
      [levels.length, count],
    );

  const logJoint: Mixture['logJoint'] = (schedule, xt, t, condition) => {
    const levels = levelsAt(schedule, t);
    return tf.tidy(() => {
      const signals = each(levels, ({ level }) => level.alpha);
      const centred = tf.sub(tf.expandDims(xt, 1), tf.mul(tf.expandDims(signals, 2), meansTensor()));
      const halfPrecisions = each(levels, ({ variances }, k) => 0.5 / variances[k]!);
      const exponents = tf.mul(halfPrecisions, tf.sum(tf.square(centred), 2));
      const logPeaks = each(
        levels,
        ({ variances }, k) => Math.log(weights[k]!) - (dimension / 2) * Math.log(2 * Math.PI * variances[k]!),
      );
      const all = tf.sub(logPeaks, exponents);
      const label = condition?.label;
      if (label === undefined) return all;
      // The label after the last class is "no class".
      const asked = tf.expandDims(tf.cast(label, 'int32'), 1);
      const own = tf.logicalOr(
        tf.equal(asked, tf.tensor2d([[...classOf]], [1, count], 'int32')),
        tf.equal(asked, classes),
      );
      return tf.add(all, tf.mul(tf.sub(tf.cast(own, 'float32'), 1), IMPOSSIBLE));
    });
  };

  return {
    dimension,
    classes,
    logJoint,
    logClasses: (schedule, xt, t) =>
      tf.tidy(() => {
        const all = logJoint(schedule, xt, t);
        return tf.stack(
          Array.from({ length: classes }, (_, c) => {
            const others = tf.tensor1d(classOf.map((own) => (own === c ? 0 : -IMPOSSIBLE)));
            return tf.logSumExp(tf.add(all, others), 1);
          }),
          1,
        );
      }),
    expectation: (quantity, schedule, xt, t, condition) =>
      tf.tidy(() => {
        const affines = levelsAt(schedule, t).map(({ level }) => deviations.map(quantity(level)));
        /** The chance that x_t came from each component. */
        const chances = tf.softmax(logJoint(schedule, xt, t, condition) as tf.Tensor2D);
        const likely = (part: keyof Affine): tf.Tensor2D =>
          tf.mul(
            chances,
            each(affines, (affine, k) => affine[k]![part]),
          );
        return tf.add(
          tf.mul(tf.sum(likely('ofXt'), 1, true), xt),
          tf.matMul(likely('ofMean'), meansTensor()),
        );
      }),
    sample(rng, rows, label) {
      const open = weights.map((weight, k) => (label === undefined || classOf[k] === label ? weight : 0));
      const total = open.reduce((sum, weight) => sum + weight, 0);
      let passed = 0;
      const ends = open.map((weight) => {
        passed += weight / total;
        return passed;
      });
      // The component is the number of ends that a uniform number has passed; the last that is open is out of reach.
      ends.fill(
        2,
        open.findLastIndex((weight) => weight > 0),
      );
      return tf.tidy(() => {
        const beyond = tf.greaterEqual(rng.uniform([rows, 1]), tf.tensor2d([ends]));
        const component = tf.sum(tf.cast(beyond, 'int32'), 1);
        const centre = tf.gather(meansTensor(), component);
        const deviation = tf.gather(tf.tensor2d(deviations.map((s) => [s])), component);
        return tf.add(centre, tf.mul(deviation, rng.normal([rows, dimension])));
      });
    },
  };
}
