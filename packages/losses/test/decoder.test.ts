import { gaussian } from '@diffusion-ts/forward-process';
import { expectAllClose, expectNoLeak, goldenGaussian, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { logTail } from '../src/erf-decoder.js';
import { erfDecoder, logProb, tanhDecoder } from '../src/index.js';
import { logitOfTanhCdf } from '../src/tanh-decoder.js';
import { expectGradient } from './finite-differences.js';
import { logUpperTail } from './upper-tail.js';

const FLOOR = Math.log(1e-12);
/** Gaussians of one mean and variance, as many as `x0` has elements. */
const like = (x0: tf.Tensor, mean: number, logVariance: number) =>
  gaussian({ mean: tf.fill(x0.shape, mean), logVariance });
const greys = () => tf.sub(tf.div(tf.range(0, 256), 127.5), 1);

/** ln of the mass that N(mean, deviation²) gives to the bin of grey value k of 256. */
function logMass(k: number, mean: number, deviation: number): number {
  return logMassOf(k / 127.5 - 1, mean, deviation);
}

function logMassOf(x0: number, mean: number, deviation: number): number {
  const [below, above] = [x0 - 1 / 255, x0 + 1 / 255];
  if (x0 < -0.999) return logUpperTail((mean - above) / deviation);
  if (x0 > 0.999) return logUpperTail((below - mean) / deviation);
  // In the tail on its own side of the mean, where nothing cancels.
  const [near, far] = x0 > mean ? [below - mean, above - mean] : [mean - above, mean - below];
  const [greater, less] = [logUpperTail(near / deviation), logUpperTail(far / deviation)];
  return greater + Math.log(-Math.expm1(less - greater));
}

const binned = [
  ['tanh', tanhDecoder],
  ['erf', erfDecoder],
] as const;
const decoders = [...binned, ['logProb', logProb]] as const;

onEachBackend(() => {
  describe.each(goldenGaussian('linear').discretized_gaussian)(
    'the discretised Gaussian of the reference at mean $mean and log-deviation $log_scale',
    ({ mean, log_scale, index, log_prob, log_sum_exp }) => {
      it('has the same mass in each bin by the tanh approximation', () => {
        const x0 = tf.tensor1d(index.map((k) => k / 127.5 - 1));
        expectAllClose(tanhDecoder(like(x0, mean, 2 * log_scale), x0), log_prob);
      });

      it('has all its mass in the 256 bins, approximate or exact', () => {
        const x0 = greys();
        for (const [, decoder] of binned) {
          const total = tf.logSumExp(decoder(like(x0, mean, 2 * log_scale), x0));
          expectAllClose(total, log_sum_exp, { relative: 0, absolute: 5e-6 });
        }
      });
    },
  );

  it('the exact mass of a bin is the difference of two values of the normal CDF, out to 30 deviations and beyond', () => {
    for (const deviation of [100, 1.5, 0.14, 0.01, 0.002, 0.001, 1e-4]) {
      for (const mean of [0.1, -0.99, 3, -30 * deviation, 1 + 30 * deviation, 1 + 300 * deviation]) {
        const x0 = greys();
        const actual = erfDecoder(like(x0, mean, 2 * Math.log(deviation)), x0);
        const expected = Array.from({ length: 256 }, (_, k) => logMass(k, mean, deviation));
        // What float32 makes of (x_0 − mean)/σ costs as many digits as its square is large.
        expectAllClose(actual, expected, { relative: 4e-5 * Math.max(1, 1e-3 / deviation), absolute: 2e-5 });
      }
    }
  });

  it('the exact mass has the slope of its closed form, far out as near', () => {
    for (const deviation of [1.5, 0.14, 0.01, 0.002]) {
      for (const mean of [0.1, -0.99, 3, 1 + 30 * deviation]) {
        const logVariance = 2 * Math.log(deviation);
        const value = (mean: number, logVariance: number) =>
          Array.from({ length: 256 }, (_, k) => logMass(k, mean, Math.exp(logVariance / 2)));
        const slope = (at: (shift: number) => number[], step: number) => {
          const [above, below] = [at(step), at(-step)];
          return above.map((up, k) => (up - below[k]!) / (2 * step));
        };
        const [ofMean, ofLogVariance] = tf.grads((mean: tf.Tensor, logVariance: tf.Tensor) =>
          tf.sum(erfDecoder(gaussian({ mean, logVariance }), greys())),
        )([tf.fill([256], mean), tf.fill([256], logVariance)]);
        const tolerance = { relative: 2e-3, absolute: 2e-3 / deviation };
        expectAllClose(
          ofMean!,
          slope((shift) => value(mean + shift, logVariance), 1e-4 * deviation),
          tolerance,
        );
        expectAllClose(
          ofLogVariance!,
          slope((shift) => value(mean, logVariance + shift), 1e-5),
          { relative: 2e-3, absolute: 2e-3 },
        );
      }
    }
  });

  it('the approximate mass has a floor of 1e-12, and the exact one none', () => {
    const x0 = tf.tensor1d([0]);
    // Half a bin nearer than twenty deviations.
    const p = like(x0, 0.2, 2 * Math.log(0.01));
    expectAllClose(tanhDecoder(p, x0), [FLOOR]);
    expectAllClose(erfDecoder(p, x0), [logMassOf(0, 0.2, 0.01)], { relative: 1e-5 });
    expect(erfDecoder(p, x0).dataSync()[0]).toBeLessThan(-190);
  });

  it('the logarithm of the upper tail is good to float32', () => {
    const zs = Array.from({ length: 400 }, (_, i) => i / 10);
    expectAllClose(logTail(tf.tensor1d(zs)), zs.map(logUpperTail), { relative: 3e-7, absolute: 5e-7 });
  });

  it('the tanh approximation is the formula with 0.044715, off by 3e-4 at most', () => {
    const zs = Array.from({ length: 161 }, (_, i) => (i - 80) / 10);
    const cdf = zs.map((z) => 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))));
    expectAllClose(tf.sigmoid(logitOfTanhCdf(tf.tensor1d(zs))), cdf);
    const errors = zs.map((z, i) => Math.abs(cdf[i]! - Math.exp(logUpperTail(-z))));
    expect(Math.max(...errors)).toBeLessThan(3e-4);
    expect(Math.max(...errors)).toBeGreaterThan(1e-4);
  });

  it('approximate and exact differ by little where the mass lies', () => {
    const x0 = tf.tensor1d([0, 51, 102, 153].map((k) => k / 127.5));
    const p = like(x0, 0.2, -4);
    const difference = tf.sub(tanhDecoder(p, x0), erfDecoder(p, x0));
    expect(tf.max(tf.abs(tf.slice(difference, 0, 2))).dataSync()[0]).toBeLessThan(0.01);
    expect(tf.max(tf.abs(difference)).dataSync()[0]).toBeGreaterThan(0.01);
  });

  it('the variance may be one for all, one for each example, or one for each element', () => {
    const x0 = tf.tensor2d([
      [-1, 0.2],
      [0.4, 1],
    ]);
    const mean = tf.tensor2d([
      [-0.9, 0.1],
      [0.5, 1.1],
    ]);
    for (const [, decoder] of decoders) {
      const at = (logVariance: number) => decoder(gaussian({ mean, logVariance }), x0).dataSync();
      const [wide, thin] = [at(-2), at(-3)];
      const each = decoder(gaussian({ mean, logVariance: Float64Array.of(-2, -3) }), x0);
      expectAllClose(each, [wide[0]!, wide[1]!, thin[2]!, thin[3]!]);
      const logVariance = tf.tensor2d([
        [-2, -3],
        [-3, -2],
      ]);
      const element = decoder(gaussian({ mean, logVariance }), x0);
      expectAllClose(element, [wide[0]!, thin[1]!, thin[2]!, wide[3]!]);
    }
  });

  it('logProb is the log-density', () => {
    const x0 = tf.tensor1d([-3, 0.5]);
    const constant = -0.5 * Math.log(2 * Math.PI * 4);
    expectAllClose(logProb(like(x0, 1, Math.log(4)), x0), [constant - 2, constant - 0.03125]);
  });

  it.each(decoders)('%s has the gradient of finite differences', (_, decoder) => {
    const x0 = tf.tensor1d([-1, -0.8, 0, 10 / 127.5 - 1, 64 / 127.5, 1]);
    expectGradient(
      ({ mean, logVariance }) =>
        tf.sum(
          decoder(
            gaussian({ mean: tf.mul(mean!, tf.ones([6])), logVariance: tf.mul(logVariance!, tf.ones([6])) }),
            x0,
          ),
        ) as tf.Scalar,
      { mean: 0.2, logVariance: -1.5 },
    );
  });

  it.each(binned)(
    '%s has a finite value and gradient however far the mean, however thin the Gaussian',
    (_, decoder) => {
      const x0 = tf.tensor1d([-1, -0.5, 0, 1]);
      const value = (mean: tf.Tensor, logVariance: tf.Tensor) => decoder(gaussian({ mean, logVariance }), x0);
      const gradient = tf.grads((mean: tf.Tensor, logVariance: tf.Tensor) =>
        tf.sum(value(mean, logVariance)),
      );
      for (const mean of [-1e6, -1, 0, 1e6]) {
        for (const logVariance of [Number.NEGATIVE_INFINITY, -200, -80, -20, 0, 40, 200]) {
          const at = [tf.fill([4], mean), tf.fill([4], logVariance)];
          expect(tf.min(value(at[0]!, at[1]!)).dataSync()[0]).toBeGreaterThan(
            decoder === tanhDecoder ? FLOOR - 1e-5 : -1e32,
          );
          expect(tf.max(value(at[0]!, at[1]!)).dataSync()[0]).toBeLessThanOrEqual(0);
          for (const slope of gradient(at)) {
            for (const one of slope.dataSync()) expect(one).toSatisfy(Number.isFinite);
          }
        }
      }
    },
  );

  it('a Gaussian that is all but a point has all its mass in the bin of its mean', () => {
    const x0 = tf.tensor1d([-1, -0.5, 0, 1]);
    for (const [, decoder] of binned) {
      for (const logVariance of [-60, -200, Number.NEGATIVE_INFINITY]) {
        expectAllClose(decoder(gaussian({ mean: x0, logVariance }), x0), [0, 0, 0, 0]);
        const missed = decoder(gaussian({ mean: tf.add(x0, 0.1), logVariance }), x0);
        if (decoder === tanhDecoder) expectAllClose(missed, [FLOOR, FLOOR, FLOOR, 0]);
        // A Gaussian thinner than e⁻⁴⁰ counts as one of that.
        const away = (0.1 - 1 / 255) * Math.exp(Math.min(-logVariance, 80) / 2);
        const square = -(away ** 2) / 2;
        if (decoder === erfDecoder) {
          expectAllClose(
            tf.maximum(missed, -4e31),
            [square, square, square, 0].map((x) => Math.max(x, -4e31)),
            {
              relative: 1e-4,
            },
          );
        }
      }
    }
  });

  it('leaves no tensor behind', async () => {
    const x0 = greys();
    const p = like(x0, 0, 0);
    for (const [, decoder] of decoders) await expectNoLeak(() => decoder(p, x0));
  });
});
