import { expectAllClose, expectNoLeak, goldenGaussian, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { decoderLogLikelihood } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { upperTail } from './upper-tail.js';

const FLOOR = Math.log(1e-12);
const of = (mean: number, logVariance: number) => ({
  mean: tf.scalar(mean),
  logVariance: tf.scalar(logVariance),
});
const greys = () => tf.sub(tf.div(tf.range(0, 256), 127.5), 1);

onEachBackend(() => {
  describe.each(goldenGaussian('linear').discretized_gaussian)(
    'the discretised Gaussian of the reference at mean $mean and log-deviation $log_scale',
    ({ mean, log_scale, index, log_prob, log_sum_exp }) => {
      const p = () => of(mean, 2 * log_scale);

      it('has the same mass in each bin by the tanh approximation', () => {
        const x0 = tf.tensor1d(index.map((k) => k / 127.5 - 1));
        expectAllClose(decoderLogLikelihood('tanh', x0, p()), log_prob);
      });

      it('has all its mass in the 256 bins, approximate or exact', () => {
        for (const decoder of ['tanh', 'erf'] as const) {
          const total = tf.logSumExp(decoderLogLikelihood(decoder, greys(), p()));
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
      const actual = decoderLogLikelihood('erf', greys(), of(mean, 2 * Math.log(deviation)));
      expectAllClose(actual, expected, { relative: 2e-5, absolute: 2e-5 });
    }
  });

  it('approximate and exact differ by little where the mass lies', () => {
    const p = of(0.2, -4);
    const x0 = tf.tensor1d([0, 51, 102, 153].map((k) => k / 127.5));
    const difference = tf.sub(decoderLogLikelihood('tanh', x0, p), decoderLogLikelihood('erf', x0, p));
    expect(tf.max(tf.abs(tf.slice(difference, 0, 2))).dataSync()[0]).toBeLessThan(0.01);
  });

  it('gaussian is the log-density', () => {
    const actual = decoderLogLikelihood('gaussian', tf.tensor1d([-3, 0.5]), of(1, Math.log(4)));
    const constant = -0.5 * Math.log(2 * Math.PI * 4);
    expectAllClose(actual, [constant - 2, constant - 0.03125]);
  });

  it.each(['tanh', 'erf', 'gaussian'] as const)('%s has the gradient of finite differences', (decoder) => {
    const x0 = tf.tensor1d([-1, -0.8, 0, 10 / 127.5 - 1, 64 / 127.5, 1]);
    expectGradient(
      ({ mean, logVariance }) =>
        tf.sum(decoderLogLikelihood(decoder, x0, { mean: mean!, logVariance: logVariance! })) as tf.Scalar,
      { mean: 0.2, logVariance: -1.5 },
    );
  });

  it.each(['tanh', 'erf'] as const)(
    '%s has a finite value and gradient however far the mean, however thin the Gaussian',
    (decoder) => {
      const x0 = tf.tensor1d([-1, -0.5, 0, 1]);
      const gradient = tf.grads((mean: tf.Tensor, logVariance: tf.Tensor) =>
        tf.sum(decoderLogLikelihood(decoder, x0, { mean, logVariance })),
      );
      for (const mean of [-1e6, -1, 0, 1e6]) {
        for (const logVariance of [-80, -20, 0, 40]) {
          const at = [tf.scalar(mean), tf.scalar(logVariance)];
          const value = decoderLogLikelihood(decoder, x0, { mean: at[0]!, logVariance: at[1]! });
          expect(tf.min(value).dataSync()[0]).toBeGreaterThan(FLOOR - 1e-5);
          expect(tf.max(value).dataSync()[0]).toBeLessThanOrEqual(0);
          for (const slope of gradient(at)) expect(slope.dataSync()[0]).toSatisfy(Number.isFinite);
        }
      }
    },
  );

  it('leaves no tensor behind', async () => {
    const [x0, p] = [greys(), of(0, 0)];
    for (const decoder of ['tanh', 'erf', 'gaussian'] as const) {
      await expectNoLeak(() => decoderLogLikelihood(decoder, x0, p));
    }
  });
});
