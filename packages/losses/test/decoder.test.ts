import { gaussian } from '@diffusion-ts/forward-process';
import { expectAllClose, expectNoLeak, goldenGaussian, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { erfDecoder, logProb, tanhDecoder } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { upperTail } from './upper-tail.js';

const FLOOR = Math.log(1e-12);
/** Gaussians of one mean and variance, as many as `x0` has elements. */
const like = (x0: tf.Tensor, mean: number, logVariance: number) =>
  gaussian({ mean: tf.fill(x0.shape, mean), logVariance });
const greys = () => tf.sub(tf.div(tf.range(0, 256), 127.5), 1);

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

  it('the exact mass of a bin is the difference of two values of the normal CDF, down to the floor', () => {
    for (const [mean, deviation] of [
      [0.1, 0.14],
      [-0.99, 0.01],
      [0.5, 1.5],
      [3, 1],
    ] as const) {
      const tail = (edge: number) => upperTail((edge - mean) / deviation);
      const head = (edge: number) => upperTail((mean - edge) / deviation);
      const expected = Array.from({ length: 256 }, (_, k) => {
        const [below, above] = [(k - 0.5) / 127.5 - 1, (k + 0.5) / 127.5 - 1];
        if (k === 0) return Math.log(head(above));
        if (k === 255) return Math.log(tail(below));
        // Taken in the tail on its own side of the mean, where nothing cancels.
        return Math.log(below > mean ? tail(below) - tail(above) : head(above) - head(below));
      }).map((logMass) => Math.max(logMass, FLOOR));
      const x0 = greys();
      const actual = erfDecoder(like(x0, mean, 2 * Math.log(deviation)), x0);
      expectAllClose(actual, expected, { relative: 2e-5, absolute: 2e-5 });
    }
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
          expect(tf.min(value(at[0]!, at[1]!)).dataSync()[0]).toBeGreaterThan(FLOOR - 1e-5);
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
        expectAllClose(missed, [FLOOR, FLOOR, FLOOR, 0]);
      }
    }
  });

  it('leaves no tensor behind', async () => {
    const x0 = greys();
    const p = like(x0, 0, 0);
    for (const [, decoder] of decoders) await expectNoLeak(() => decoder(p, x0));
  });
});
