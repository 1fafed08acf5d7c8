import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  fixedSmall,
  type GaussianReverseProcess,
  type Prediction,
  reverseProcess,
  type Variance,
} from '@diffusion-ts/reverse-process';
import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';
import type { Condition } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Batch, inverse, product } from './batch.js';

const MEANS = [0.4, -0.3, 0.2, 0];
const DEVIATIONS = [0.5, 0.8, 0.3, 1.1];

/** How the four elements of an example lie. */
export const SHAPE = [2, 2] as const;

/** The factors of three examples, and noise for them. */
export const FACTORS: readonly number[] = [1, 0.6, 1.4];
export const NOISE: Batch = [
  [0.8, -1.3, 0.4, 1.7],
  [-0.6, 0.9, -2.1, 0.3],
  [1.2, 0.5, -0.8, -1.1],
];

/**
 * Data on which a permutation of elements or of examples shows, and a history of the wrong example: x_0 = y P with
 * independent y_k ~ N(f m_k, (f s_k)²), where P mixes the elements and f is a factor of each example, of which the network
 * learns by the condition. In y all is known, number by number: where the probability flow goes, and with a P that is a
 * rotation, which leaves noise white, what the true denoiser says.
 */
export interface MixingData {
  /** y to x, row by row: x = y · toX. */
  readonly toX: Batch;
  readonly toY: Batch;
  /** What the network sees of the data in x_t, in float64. */
  x0(x: Batch, level: NoiseLevel, factors: readonly number[]): number[][];
  /** Where the ODE takes x from one level to another: there each y keeps its distance from the mean, in deviations. */
  flow(x: Batch, from: NoiseLevel, to: NoiseLevel, factors: readonly number[]): number[][];
  /** The network, for x `[batch, 2, 2]` and a condition with `factor` `[batch]`. */
  denoiser(
    schedule: NoiseSchedule,
    predicts: Prediction,
  ): (input: tf.Tensor, told: tf.Tensor1D, condition?: Condition) => tf.Tensor;
  process(schedule: NoiseSchedule, predicts: Prediction, variance?: Variance): GaussianReverseProcess;
}

export function mixingData(toX: Batch): MixingData {
  const toY = inverse(toX);

  const inY = (x: Batch, f: (y: number, i: number, k: number) => number): number[][] =>
    product(
      product(x, toY).map((ys, i) => ys.map((y, k) => f(y, i, k))),
      toX,
    );

  const denoiser: MixingData['denoiser'] = (schedule, predicts) => {
    /** The answers in y to an example with this factor at this time: what y is multiplied by, and what is added. */
    const answers = (told: number, factor: number): { ofY: number[]; constant: number[] } => {
      const level = levelTold(schedule, predicts, told);
      const { in: scale = 1 } = predicts.at(level, schedule);
      const all = MEANS.map((_, k) => {
        const { mean, deviation } = component(factor, k);
        const { ofXt, ofMean } = said(schedule, predicts, level, deviation);
        return [ofXt / scale, ofMean * mean] as const;
      });
      return { ofY: all.map(([ofY]) => ofY), constant: all.map(([, constant]) => constant) };
    };
    return (input, told, condition) =>
      tf.tidy(() => {
        const times = told.dataSync();
        const known = new Map<string, ReturnType<typeof answers>>();
        const each = Array.from(condition!.factor!.dataSync(), (factor, i) => {
          const key = `${times[i]},${factor}`;
          const found = known.get(key) ?? answers(times[i]!, factor);
          known.set(key, found);
          return found;
        });
        const y = tf.matMul(tf.reshape(input, [each.length, MEANS.length]), matrix(toY));
        const scaled = tf.mul(y, matrix(each.map(({ ofY }) => ofY)));
        const answer = tf.add(scaled, matrix(each.map(({ constant }) => constant)));
        return tf.reshape(tf.matMul(answer, matrix(toX)), input.shape);
      });
  };

  return {
    toX,
    toY,
    x0: (x, level, factors) =>
      inY(x, (y, i, k) => {
        const { mean, deviation } = component(factors[i]!, k);
        const { ofXt, ofMean } = seen(level, deviation).x0;
        return ofXt * y + ofMean * mean;
      }),
    flow: (x, from, to, factors) =>
      inY(x, (y, i, k) => {
        const { mean, deviation } = component(factors[i]!, k);
        const spread = ({ alpha, sigma }: NoiseLevel): number => Math.hypot(alpha * deviation, sigma);
        return to.alpha * mean + (spread(to) / spread(from)) * (y - from.alpha * mean);
      }),
    denoiser,
    process: (schedule, predicts, variance = fixedSmall) =>
      reverseProcess({
        forward: gaussianDiffusion(schedule),
        denoiser: denoiser(schedule, predicts),
        predicts,
        variance,
      }),
  };
}

/** Mixed by a matrix that is neither symmetric nor a rotation. */
export const skewed: MixingData = mixingData([
  [1, 0.5, -0.3, 0.2],
  [-0.4, 1, 0.6, 0.1],
  [0.3, -0.2, 1, -0.7],
  [0.1, 0.4, 0.2, 1],
]);

/** Mixed by a rotation, so that the network is the true denoiser of Gaussian data whose elements depend on one another. */
export const rotated: MixingData = mixingData(
  [
    [1, -2, 2, 4],
    [2, 1, -4, 2],
    [-2, 4, 1, 2],
    [-4, -2, -2, 1],
  ].map((row) => row.map((x) => x / 5)),
);

/** The mean and the deviation of y_k in an example with this factor. */
export function component(factor: number, k: number): { mean: number; deviation: number } {
  return { mean: factor * MEANS[k]!, deviation: factor * DEVIATIONS[k]! };
}

/** ofXt x_t + ofMean m. */
interface Affine {
  readonly ofXt: number;
  readonly ofMean: number;
}

/** x̂_0 and ε̂ for data N(m, s²). */
export function seen({ alpha, sigma }: NoiseLevel, deviation: number): { x0: Affine; epsilon: Affine } {
  const marginal = (alpha * deviation) ** 2 + sigma ** 2;
  return {
    x0: { ofXt: (alpha * deviation ** 2) / marginal, ofMean: sigma ** 2 / marginal },
    epsilon: { ofXt: sigma / marginal, ofMean: (-alpha * sigma) / marginal },
  };
}

/** F = (x_0 − skip x_t)/out, as (1 − α skip)/out x_0 − σ skip/out ε, which keeps its digits where `out` is small. */
function said(schedule: NoiseSchedule, predicts: Prediction, level: NoiseLevel, deviation: number): Affine {
  const { skip, out } = predicts.at(level, schedule);
  const { x0, epsilon } = seen(level, deviation);
  const [ofX0, ofEpsilon] = [(1 - level.alpha * skip) / out, (-level.sigma * skip) / out];
  return {
    ofXt: ofX0 * x0.ofXt + ofEpsilon * epsilon.ofXt,
    ofMean: ofX0 * x0.ofMean + ofEpsilon * epsilon.ofMean,
  };
}

/** The level that a network is told of. */
export function levelTold(schedule: NoiseSchedule, { name }: Prediction, told: number): NoiseLevel {
  const { logSnr: last } = schedule.level(schedule.end);
  const at = (logSnr: number): NoiseLevel => schedule.level(schedule.timeOf(Math.max(logSnr, last)));
  if (name === 'flow') return at(2 * Math.log((1000 - told) / told));
  if (name === 'edm') return at(-8 * told);
  return schedule.level(Math.min(told, schedule.end));
}

function matrix(rows: Batch): tf.Tensor2D {
  return tf.tensor2d(rows.flat(), [rows.length, rows[0]!.length]);
}
