import {
  axpby,
  checkPerExample,
  mapExamples,
  type PerExample,
  perExampleTensor,
  zipExamples,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape } from './check-shape.js';
import type { Distribution } from './distribution.js';
import { surplus } from './surplus.js';

/** A Gaussian with independent components. */
export interface Gaussian extends Distribution {
  /** μ, of the shape of x. */
  readonly mean: tf.Tensor;
  /** ln σ²: a number for all or for each example, −∞ where nothing is random; or a tensor of the shape of the mean. */
  readonly logVariance: PerExample | tf.Tensor;
}

// The inverse of a lesser variance, times that of a noise level, would be too much for float32.
const LEAST_LOG_VARIANCE = -75;

/**
 * N(mean, σ² I), its logarithm of σ² known on the host, or learned and a tensor:
 *
 * - `kl`: ½ (e^δ − 1 − δ + (μ_q − μ_p)² / σ_p²) with δ = ln σ_q² − ln σ_p²;
 * - `logProb`: the density, −½ (ln 2π + ln σ² + (x − μ)² / σ²).
 *
 * Both take a variance below e⁻⁷⁵ for e⁻⁷⁵.
 * @throws RangeError if the logarithms are not one for each example, or not of the shape of the mean. Its `kl` and
 * `logProb` throw RangeError if p's mean or x is not of that shape.
 */
export function gaussian({ mean, logVariance }: Pick<Gaussian, 'mean' | 'logVariance'>): Gaussian {
  if (logVariance instanceof tf.Tensor) checkShape('logVariance', logVariance, 'mean', mean);
  else checkPerExample('logVariance', logVariance, 'mean', mean);
  return {
    discrete: false,
    mean,
    logVariance,
    sample: (rng) =>
      tf.tidy(() => {
        const z = rng.normal(mean.shape);
        if (!(logVariance instanceof tf.Tensor)) {
          return axpby(
            1,
            mean,
            mapExamples(logVariance, (log) => Math.exp(log / 2)),
            z,
          );
        }
        return tf.add(mean, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), z));
      }),
    mode: () => tf.clone(mean),
    kl(p) {
      checkShape('the mean of p', p.mean, 'the mean', mean);
      if (!(logVariance instanceof tf.Tensor || p.logVariance instanceof tf.Tensor)) {
        return klOfKnown(mean, logVariance, p.mean, p.logVariance);
      }
      return tf.tidy(() => {
        const logOfP = finiteLog(p);
        const delta = tf.sub(finiteLog({ mean, logVariance }), logOfP);
        const ofMeans = tf.mul(tf.square(tf.sub(mean, p.mean)), tf.exp(tf.neg(logOfP)));
        return tf.mul(tf.add(surplus(delta), ofMeans), 0.5);
      });
    },
    logProb(x) {
      checkShape('x', x, 'the mean', mean);
      return tf.tidy(() => {
        const log = finiteLog({ mean, logVariance });
        const squares = tf.mul(tf.square(tf.sub(x, mean)), tf.exp(tf.neg(log)));
        return tf.mul(tf.add(tf.add(squares, log), Math.log(2 * Math.PI)), -0.5);
      });
    },
  };
}

/** The same where both variances are numbers of the host: exact in float64, whatever a backend makes of expm1. */
function klOfKnown(mean: tf.Tensor, log: PerExample, meanOfP: tf.Tensor, logOfP: PerExample): tf.Tensor {
  const atLeast = (value: number): number => Math.max(value, LEAST_LOG_VARIANCE);
  const constant = zipExamples(log, logOfP, (q, p) => {
    const delta = atLeast(q) - atLeast(p);
    return (Math.expm1(delta) - delta) / 2;
  });
  const factor = mapExamples(logOfP, (p) => Math.exp(-atLeast(p)) / 2);
  return tf.tidy(() => {
    const squares = tf.square(tf.sub(mean, meanOfP));
    return axpby(factor, squares, constant, tf.onesLike(squares));
  });
}

/** ln σ² as a tensor that broadcasts against the mean, and one for each element or example of it. */
export function logVarianceTensor({ mean, logVariance }: Pick<Gaussian, 'mean' | 'logVariance'>): tf.Tensor {
  if (logVariance instanceof tf.Tensor) return tf.clone(logVariance);
  const count = mean.shape[0] ?? 1;
  return tf.tidy(() =>
    tf.reshape(perExampleTensor(logVariance, count), [
      count,
      ...new Array<number>(Math.max(mean.rank - 1, 0)).fill(1),
    ]),
  );
}

function finiteLog(p: Pick<Gaussian, 'mean' | 'logVariance'>): tf.Tensor {
  return tf.tidy(() => tf.maximum(logVarianceTensor(p), LEAST_LOG_VARIANCE));
}
