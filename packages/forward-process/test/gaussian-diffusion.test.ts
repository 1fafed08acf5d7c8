import { cosine, linear, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import {
  expectAllClose,
  expectNoLeak,
  firstOfEach,
  goldenGaussian,
  goldenNoise,
  goldenX0,
  onEachBackend,
} from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussianDiffusion } from '../src/index.js';

const schedule = linear({ steps: 100 });
const forward = gaussianDiffusion(schedule);

/** ln N(x; mean, variance). */
function logNormal(x: number, mean: number, variance: number): number {
  return -0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
}

function scalars(...x: number[]): tf.Tensor {
  return tf.tensor2d(x, [x.length, 1]);
}

onEachBackend(() => {
  describe.each(['linear', 'cosine'] as const)('on the %s schedule of improved-diffusion', (name) => {
    const golden = goldenGaussian(name);
    const q = gaussianDiffusion({ linear, cosine }[name]({ steps: 1000 }));

    it('samples the x_t of the reference', () => {
      const t = tf.tensor1d([...golden.t], 'int32');
      const xt = q.sample(goldenX0(), t, goldenNoise());
      expectAllClose(firstOfEach(xt, 8), golden.x_t_first8.flat());
      expectAllClose(tf.mean(tf.abs(xt), [1, 2, 3]), golden.x_t_mean_abs);
    });

    it('has the posterior of the reference', () => {
      const t = tf.tensor1d([...golden.t], 'int32');
      const x0 = goldenX0();
      const posterior = q.posterior(x0, q.sample(x0, t, goldenNoise()), t);
      expectAllClose(firstOfEach(posterior.mean, 8), golden.posterior_mean_first8.flat());
      expectAllClose(posterior.logVariance, golden.posterior_log_variance_clipped);
    });
  });

  it('adds √ᾱ x0 and √(1 − ᾱ) noise, each example at its own t, whatever the rank', () => {
    for (const shape of [[2], [2, 3], [2, 2, 3], [2, 2, 1, 3], [2, 1, 2, 1, 3]]) {
      const x0 = rng(1).normal(shape);
      const noise = rng(2).normal(shape);
      const xt = forward.sample(x0, tf.tensor1d([7, 93], 'int32'), noise);
      const values = noise.dataSync();
      const expected = x0.dataSync().map((x, i) => {
        const alphaBar = schedule.alphaBars[i < x0.size / 2 ? 7 : 93]!;
        return Math.sqrt(alphaBar) * x + Math.sqrt(1 - alphaBar) * values[i]!;
      });
      expect(xt.shape).toEqual(shape);
      expectAllClose(xt, expected);
    }
  });

  it('has the posterior that Bayes gives: q(x_{t−1}|x_t,x_0) q(x_t|x_0) = q(x_t|x_{t−1}) q(x_{t−1}|x_0)', () => {
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), number, number, number, (i, x0, xt, previous) => {
        const posterior = forward.posterior(scalars(x0), scalars(xt), tf.tensor1d([i], 'int32'));
        const [mean] = posterior.mean.dataSync();
        const [variance] = posterior.variance.dataSync();
        const alphaBar = schedule.alphaBars[i]!;
        const before = schedule.alphaBars[i - 1]!;
        const { betas, alphas } = schedule;
        const left =
          logNormal(previous, mean!, variance!) + logNormal(xt, Math.sqrt(alphaBar) * x0, 1 - alphaBar);
        const right =
          logNormal(xt, Math.sqrt(alphas[i]!) * previous, betas[i]!) +
          logNormal(previous, Math.sqrt(before) * x0, 1 - before);
        expect(Math.abs(left - right)).toBeLessThan(1e-5 * (1 + Math.abs(left)));
      }),
      { numRuns: 50 },
    );
  });

  it('gives the logarithm of the posterior variance beside it, except at index 0', () => {
    const t = tf.tensor1d([1, 50, 99], 'int32');
    const { variance, logVariance } = forward.posterior(scalars(1, 1, 1), scalars(1, 1, 1), t);
    expectAllClose(tf.exp(logVariance), variance, { absolute: 0 });
  });

  it('knows x_0 at index 0: the posterior has mean x_0 and variance 0, and a finite logarithm', () => {
    const t = tf.tensor1d([0], 'int32');
    const { mean, variance, logVariance } = forward.posterior(scalars(0.3), scalars(-5), t);
    expectAllClose(mean, [0.3]);
    expect(variance.dataSync()[0]).toBe(0);
    expectAllClose(logVariance, [Math.log(schedule.posteriorVariance[1]!)]);
  });

  it('has as prior q(x_T | x_0), with the variance 1 − ᾱ_T', () => {
    const alphaBar = schedule.alphaBars[99]!;
    const { mean, variance, logVariance } = forward.prior(scalars(-1, 2));
    expectAllClose(mean, [-Math.sqrt(alphaBar), 2 * Math.sqrt(alphaBar)], { absolute: 0 });
    expectAllClose(variance, 1 - alphaBar);
    expectAllClose(logVariance, Math.log1p(-alphaBar), { absolute: 0 });
  });

  it('ends in exactly N(0, 1) at zero terminal SNR', () => {
    const q = gaussianDiffusion(rescaleToZeroTerminalSnr(schedule));
    const { mean, variance, logVariance } = q.prior(scalars(3));
    expectAllClose(tf.stack([tf.squeeze(mean), variance, logVariance]), [0, 1, 0], {
      relative: 0,
      absolute: 0,
    });
    expect(q.sample(scalars(3), tf.tensor1d([99], 'int32'), scalars(0.5)).dataSync()[0]).toBe(0.5);
  });

  it('refuses noise or an x_t of another shape than x_0', () => {
    const t = tf.tensor1d([0, 0], 'int32');
    expect(() => forward.sample(scalars(1, 2), t, tf.zeros([2, 2]))).toThrow(
      'noise must have the shape of x0, [2,1], not [2,2]',
    );
    expect(() => forward.posterior(scalars(1, 2), tf.zeros([2]), t)).toThrow(
      'xt must have the shape of x0, [2,1], not [2]',
    );
  });

  it('leaves no tensor behind', async () => {
    const t = tf.tensor1d([0, 9], 'int32');
    const x = scalars(1, 2);
    await expectNoLeak(() => forward.sample(x, t, x));
    await expectNoLeak(() => forward.posterior(x, x, t));
    await expectNoLeak(() => forward.prior(x));
  });
});
