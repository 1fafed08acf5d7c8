import {
  continuous,
  cosine,
  linear,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';
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
import { type Gaussian, gaussianDiffusion, logVarianceTensor } from '../src/index.js';

const schedule = linear({ steps: 100 });
const forward = gaussianDiffusion(schedule);
const SCHEDULES = {
  linear: schedule,
  cosine: cosine({ steps: 20 }),
  'zero terminal SNR': rescaleToZeroTerminalSnr(cosine({ steps: 20 })),
  continuous: continuous((u) => 9 - 18 * u),
  'variance exploding': varianceExploding(),
  rectified: rectified({ shift: 3 }),
};

/** ln N(x; mean, variance). */
function logNormal(x: number, mean: number, variance: number): number {
  return -0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
}

function scalars(...x: number[]): tf.Tensor {
  return tf.tensor2d(x, [x.length, 1]);
}

/** ᾱ_t by its definition. */
function alphaBar(t: number): number {
  return schedule.betas.slice(0, t + 1).reduce((product, beta) => product * (1 - beta), 1);
}

onEachBackend(() => {
  describe.each(['linear', 'cosine'] as const)('on the %s schedule of improved-diffusion', (name) => {
    const golden = goldenGaussian(name);
    const q = gaussianDiffusion({ linear, cosine }[name]({ steps: 1000 }));
    const t = Float64Array.from(golden.t);

    it('samples the x_t of the reference', () => {
      const xt = q.sample(goldenX0(), t, goldenNoise());
      expectAllClose(firstOfEach(xt, 8), golden.x_t_first8.flat());
      expectAllClose(tf.mean(tf.abs(xt), [1, 2, 3]), golden.x_t_mean_abs);
    });

    it('has the posterior of the reference', () => {
      const x0 = goldenX0();
      const before = t.map((time) => time - 1);
      const posterior = q.posterior(x0, q.sample(x0, t, goldenNoise()), t, before);
      expectAllClose(firstOfEach(posterior.mean, 8), golden.posterior_mean_first8.flat());
      // The file clips the last logarithm, −∞, which is fixedSmall's to do: see reverse-process.
      const log = logVarianceTensor(posterior).dataSync();
      golden.posterior_log_variance_clipped.forEach((expected, i) => {
        expectAllClose(log[i]!, t[i] === 0 ? Number.NEGATIVE_INFINITY : expected);
      });
    });
  });

  it('adds √ᾱ x0 and √(1 − ᾱ) noise, each example at its own t, whatever the rank', () => {
    for (const shape of [[2], [2, 3], [2, 2, 3], [2, 2, 1, 3], [2, 1, 2, 1, 3]]) {
      const x0 = rng(1).normal(shape);
      const noise = rng(2).normal(shape);
      const xt = forward.sample(x0, Float64Array.of(7, 93), noise);
      const values = noise.dataSync();
      const expected = x0.dataSync().map((x, i) => {
        const kept = alphaBar(i < x0.size / 2 ? 7 : 93);
        return Math.sqrt(kept) * x + Math.sqrt(1 - kept) * values[i]!;
      });
      expect(xt.shape).toEqual(shape);
      expectAllClose(xt, expected);
    }
  });

  it.each(Object.entries(SCHEDULES))(
    'on the %s schedule x_t is α x0 + σ noise, between whole times too',
    (_, schedule) => {
      const { least, end } = schedule;
      const q = gaussianDiffusion(schedule);
      const t = Float64Array.of(least, least + 0.317 * (end - least), end);
      const xt = q.sample(scalars(0.7, 0.7, 0.7), t, scalars(-1.3, -1.3, -1.3));
      const expected = Array.from(t, (time) => {
        const { alpha, sigma } = schedule.level(time);
        return 0.7 * alpha - 1.3 * sigma;
      });
      expectAllClose(xt, expected);
      expectAllClose(q.sample(scalars(0.7), t[1]!, scalars(-1.3)), expected[1]!);
    },
  );

  it('a time for all is that time for each', () => {
    const [x0, noise] = [rng(1).normal([3, 2]), rng(2).normal([3, 2])];
    const each = (t: number): Float64Array => new Float64Array(3).fill(t);
    const xt = forward.sample(x0, 40, noise);
    expectAllClose(xt, forward.sample(x0, each(40), noise), { relative: 0, absolute: 0 });
    const [one, other] = [forward.posterior(x0, xt, 40, each(20)), forward.posterior(x0, xt, each(40), 20)];
    expectAllClose(one.mean, forward.posterior(x0, xt, 40, 20).mean, { relative: 0, absolute: 0 });
    expectAllClose(other.mean, one.mean, { relative: 0, absolute: 0 });
    expect([...(other.logVariance as Float64Array)]).toEqual([...(one.logVariance as Float64Array)]);
  });

  it('has the posterior that Bayes gives: q(x_{t−1}|x_t,x_0) q(x_t|x_0) = q(x_t|x_{t−1}) q(x_{t−1}|x_0)', () => {
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), number, number, number, (i, x0, xt, previous) => {
        const posterior = forward.posterior(scalars(x0), scalars(xt), i, i - 1);
        const [mean] = posterior.mean.dataSync();
        const beta = schedule.betas[i]!;
        const left =
          logNormal(previous, mean!, Math.exp(posterior.logVariance as number)) +
          logNormal(xt, Math.sqrt(alphaBar(i)) * x0, 1 - alphaBar(i));
        const right =
          logNormal(xt, Math.sqrt(1 - beta) * previous, beta) +
          logNormal(previous, Math.sqrt(alphaBar(i - 1)) * x0, 1 - alphaBar(i - 1));
        expect(Math.abs(left - right)).toBeLessThan(1e-5 * (1 + Math.abs(left)));
      }),
      { numRuns: 50 },
    );
  });

  it.each(Object.entries(SCHEDULES))(
    'has the posterior that Bayes gives between any two levels: %s',
    (_, schedule) => {
      const q = gaussianDiffusion(schedule);
      const { least, end } = schedule;
      const part = fc.double({ min: 0, max: 1, noNaN: true });
      fc.assert(
        fc.property(part, part, part, part, (u, v, a, b) => {
          const s = least + Math.min(u, v) * (end - least);
          const t = least + Math.max(u, v) * (end - least);
          fc.pre(t - s > 0.01 * (end - least));
          const [from, to] = [schedule.level(t), schedule.level(s)];
          const [x0, xt] = [4 * a - 2, (from.alpha + from.sigma) * (4 * b - 2)];
          // A product of the two Gaussians in x_s: precisions add up, and so do the means that they weigh.
          const ratio = from.alpha / to.alpha;
          const beta = from.sigma ** 2 - ratio ** 2 * to.sigma ** 2;
          const precision = 1 / to.sigma ** 2 + ratio ** 2 / beta;
          const mean = ((to.alpha * x0) / to.sigma ** 2 + (ratio * xt) / beta) / precision;
          const posterior = q.posterior(scalars(x0), scalars(xt), t, s);
          expectAllClose(posterior.mean, mean, { absolute: 1e-5 });
          expectAllClose(posterior.logVariance as number, -Math.log(precision), { absolute: 1e-6 });
        }),
        { numRuns: 50 },
      );
    },
  );

  it.each(Object.entries(SCHEDULES))(
    '%s: the posterior at the data is x_0, without variance',
    (_, schedule) => {
      const t = Float64Array.of(schedule.least, schedule.end);
      const posterior = gaussianDiffusion(schedule).posterior(
        scalars(0.3, 0.3),
        scalars(-5, 5),
        t,
        schedule.start,
      );
      expectAllClose(posterior.mean, [0.3, 0.3], { relative: 1e-7, absolute: 0 });
      expect([...(posterior.logVariance as Float64Array)]).toEqual([
        Number.NEGATIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
      ]);
    },
  );

  it('two short steps of the posterior are one long one', () => {
    // q(x_r | x_t, x_0) = ∫ q(x_r | x_s, x_0) q(x_s | x_t, x_0) dx_s.
    const [x0, xt] = [rng(1).normal([4, 3]), rng(2).normal([4, 3])];
    const whole = forward.posterior(x0, xt, 80, 10.5);
    const first = forward.posterior(x0, xt, 80, 33);
    const second = forward.posterior(x0, first.mean, 33, 10.5);
    const ofXs = forward.posterior(scalars(0), scalars(1), 33, 10.5).mean.dataSync()[0]!;
    const variance = (p: Gaussian): number => Math.exp(p.logVariance as number);
    expectAllClose(second.mean, whole.mean);
    expectAllClose(variance(second) + ofXs ** 2 * variance(first), variance(whole));
  });

  it('the marginal is the distribution of the samples: N(α x_0, σ²)', () => {
    const t = Float64Array.of(0, 50, 99);
    const { mean, logVariance } = forward.marginal(scalars(-1, 2, 3), t);
    expectAllClose(mean, [-Math.sqrt(alphaBar(0)), 2 * Math.sqrt(alphaBar(50)), 3 * Math.sqrt(alphaBar(99))]);
    expectAllClose(
      logVariance as Float64Array,
      Array.from(t, (time) => Math.log1p(-alphaBar(time))),
      { relative: 1e-10, absolute: 0 },
    );
  });

  it('at the data x_t is x_0, and the marginal knows it', () => {
    expectAllClose(forward.sample(scalars(0.1), -1, scalars(5)), [0.1], { relative: 1e-7, absolute: 0 });
    const { mean, logVariance } = forward.marginal(scalars(0.1), -1);
    expectAllClose(mean, [0.1], { relative: 1e-7, absolute: 0 });
    expect(logVariance).toBe(Number.NEGATIVE_INFINITY);
  });

  it('ends in exactly N(0, 1) at zero terminal SNR, which is its prior', () => {
    const q = gaussianDiffusion(rescaleToZeroTerminalSnr(schedule));
    expect(q.sample(scalars(3), 99, scalars(0.5)).dataSync()[0]).toBe(0.5);
    const marginal = q.marginal(scalars(3), 99);
    expect(marginal.mean.dataSync()[0]).toBe(0);
    expect(marginal.logVariance).toBeCloseTo(0, 12);
    expectAllClose(marginal.kl(q.prior([1, 1])), 0, { relative: 0, absolute: 1e-12 });
  });

  it('the prior is N(0, 1), or N(0, σ_T²) where noise grows beyond the data', () => {
    for (const [name, schedule] of Object.entries(SCHEDULES)) {
      const { mean, logVariance } = gaussianDiffusion(schedule).prior([2, 3]);
      expect(mean.shape).toEqual([2, 3]);
      expect(mean.dataSync().every((m) => m === 0)).toBe(true);
      expect(logVariance).toBe(name === 'variance exploding' ? 2 * Math.log(80) : 0);
    }
  });

  it('makes noise of standard normal numbers, which the source decides', () => {
    expectAllClose(forward.noise(rng(3), [2, 3]), rng(3).normal([2, 3]), { relative: 0, absolute: 0 });
  });

  it('refuses noise or an x_t of another shape than x_0', () => {
    expect(() => forward.sample(scalars(1, 2), 0, tf.zeros([2, 2]))).toThrow(
      new RangeError('noise must have the shape of x0, [2,1], not [2,2]'),
    );
    expect(() => forward.posterior(scalars(1, 2), tf.zeros([2]), 0, -1)).toThrow(
      new RangeError('xt must have the shape of x0, [2,1], not [2]'),
    );
  });

  it('refuses times that are not one for each example, or no numbers of the host', () => {
    const x0 = scalars(1, 2);
    const one = Float64Array.of(5);
    const message = 't must have one number for each example of x0: 1 came for x0 of shape [2,1]';
    expect(() => forward.sample(x0, one, x0)).toThrow(new RangeError(message));
    expect(() => forward.marginal(x0, one)).toThrow(new RangeError(message));
    expect(() => forward.posterior(x0, x0, one, 1)).toThrow(new RangeError(message));
    expect(() => forward.posterior(x0, x0, 5, Float64Array.of(1))).toThrow(/^s must have one number/);
    expect(() => forward.sample(x0, tf.tensor1d([1, 2]) as never, x0)).toThrow(
      new TypeError(
        't must be a number, or a Float64Array of one for each example, not a tensor of shape [2]',
      ),
    );
  });

  it('refuses a time that the schedule does not have, and names its range', () => {
    const x0 = scalars(1, 2);
    const message = 't is 100, expected a time of the schedule, -1 … 99';
    expect(() => forward.sample(x0, 100, x0)).toThrow(new RangeError(message));
    expect(() => forward.marginal(x0, Float64Array.of(3, 100))).toThrow(new RangeError(message));
    expect(() => forward.posterior(x0, x0, 100, 50)).toThrow(new RangeError(message));
    expect(() => forward.sample(x0, Number.NaN, x0)).toThrow('t is NaN, expected a time');
  });

  it('refuses a posterior at a time of no less noise', () => {
    const x0 = scalars(1, 2);
    for (const s of [50, 51]) {
      expect(() => forward.posterior(x0, x0, Float64Array.of(99, 50), s)).toThrow(
        new RangeError(`s is ${s}, expected a time of less noise than t, which is 50`),
      );
    }
  });

  it('refuses before it makes a tensor, and leaves none behind', async () => {
    const x = scalars(1, 2);
    const wrong = tf.zeros([2, 2]);
    const before = tf.memory().numTensors;
    for (const f of [
      () => forward.sample(x, 100, x),
      () => forward.sample(x, 5, wrong),
      () => forward.posterior(x, x, 5, 5),
      () => forward.posterior(x, wrong, 5, 4),
      () => forward.marginal(x, -2),
    ]) {
      expect(f).toThrow(RangeError);
    }
    expect(tf.memory().numTensors).toBe(before);
    const t = Float64Array.of(0, 9);
    await expectNoLeak(() => forward.sample(x, t, x));
    await expectNoLeak(() => forward.posterior(x, x, t, -1));
    await expectNoLeak(() => forward.marginal(x, t));
    await expectNoLeak(() => forward.prior([2, 1]));
    await expectNoLeak(() => forward.noise(rng(0), [2, 1]));
  });
});
