import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { PREDICTIONS, reverseProcess } from '@diffusion-ts/reverse-process';
import {
  cosine,
  linear,
  type NoiseSchedule,
  rectified,
  type Times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { axpby, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { exactGaussian } from '../src/index.js';
import { FAMILIES } from './families.js';
import { conditionalMean, logSlope } from './quadrature.js';

const schedule = cosine({ steps: 20 });
const data = { mean: 0.4, deviation: 0.3 };
const density = (x: number): number => Math.exp(-0.5 * ((x - data.mean) / data.deviation) ** 2);
const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((total, y) => total + y, 0);

onEachBackend(() => {
  const xts = [-1.5, 0.2, 0.9];
  const xt = () => tf.tensor2d(xts, [3, 1]);

  it('E[x_0 | x_t] is the mean of the posterior, found by quadrature', () => {
    for (const t of [0, 8, 8.5, 19]) {
      const expected = xts.map((x) => conditionalMean(density, schedule.level(t), x));
      expectAllClose(exactGaussian(data).x0(schedule, xt(), t), expected);
    }
  });

  it('the score is the slope of ln q(x_t), found by quadrature', () => {
    for (const t of [0, 8, 8.5, 19]) {
      const expected = xts.map((x) => logSlope(density, schedule.level(t), x));
      expectAllClose(exactGaussian(data).score(schedule, xt(), t), expected);
    }
  });

  it('in the frames of EDM and of rectified flow both are what quadrature finds', () => {
    for (const [frame, t] of [
      [varianceExploding(), 0.05],
      [varianceExploding(), 1.3],
      [varianceExploding(), 80],
      [rectified(), 0.1],
      [rectified(), 0.6],
      [rectified(), 1],
    ] as const) {
      const level = frame.level(t);
      const xs = xts.map((x) => x * Math.max(level.sigma, 0.3));
      const x = tf.tensor1d(xs);
      expectAllClose(
        exactGaussian(data).x0(frame, x, t),
        xs.map((x) => conditionalMean(density, level, x)),
      );
      expectAllClose(
        exactGaussian(data).score(frame, x, t),
        xs.map((x) => logSlope(density, level, x)),
      );
    }
  });

  it('in EDM’s frame x̂_0 = (s² x_t + σ² m)/(s² + σ²), in rectified flow’s (1 − t)(s² x_t + …) likewise', () => {
    const { mean: m, deviation: s } = data;
    const sigma = 0.7;
    expectAllClose(
      exactGaussian(data).x0(varianceExploding(), xt(), sigma),
      xts.map((x) => (s ** 2 * x + sigma ** 2 * m) / (s ** 2 + sigma ** 2)),
    );
    const t = 0.7;
    const power = (1 - t) ** 2 * s ** 2 + t ** 2;
    expectAllClose(
      exactGaussian(data).x0(rectified(), xt(), t),
      xts.map((x) => ((1 - t) * s ** 2 * x + t ** 2 * m) / power),
    );
    // The velocity of rectified flow is E[ε − x_0 | x_t] (Liu et al. 2023).
    expectAllClose(
      exactGaussian(data).denoiser(rectified(), PREDICTIONS.flow)(xt(), tf.fill([3], 1000 * t)),
      xts.map((x) => ((t - (1 - t) * s ** 2) * (x - (1 - t) * m)) / power - m),
    );
  });

  it('takes the data for themselves', () => {
    for (const [, frame] of FAMILIES) {
      expectAllClose(exactGaussian(data).x0(frame, xt(), frame.start), xts);
    }
  });

  it('its three denoisers say the same: x_t = α x̂_0 + σ ε̂ and v̂ = α ε̂ − σ x̂_0', () => {
    const { alpha, sigma } = schedule.level(8);
    const say = (predicts: 'x0' | 'epsilon' | 'v') =>
      exactGaussian(data).denoiser(schedule, PREDICTIONS[predicts])(xt(), tf.fill([3], 8));
    expectAllClose(say('x0'), exactGaussian(data).x0(schedule, xt(), 8));
    expectAllClose(axpby(alpha, say('x0'), sigma, say('epsilon')), xt());
    expectAllClose(axpby(alpha, say('epsilon'), -sigma, say('x0')), say('v'));
  });

  it('samples have its mean and its deviation', () => {
    const { mean, variance } = tf.moments(exactGaussian(data).sample(rng(1), [100, 100]));
    // Five standard errors of 10,000 numbers.
    expectAllClose(mean, data.mean, { relative: 0, absolute: (5 * data.deviation) / 100 });
    expectAllClose(tf.sqrt(variance), data.deviation, { relative: 5 / Math.sqrt(2e4), absolute: 0 });
  });

  describe('the probability flow', () => {
    /** The largest error of the deterministic step of first order, x_s = (σ_s/σ_t) x_t + (α_s − α_t σ_s/σ_t) x̂_0. */
    const error = (frame: NoiseSchedule, list: Times): number =>
      tf.tidy(() => {
        const exact = exactGaussian(data);
        const xT = tf.mul(tf.tensor1d([-2, 0.1, 1.5]), frame.level(frame.end).sigma);
        const times = list(frame);
        let x: tf.Tensor = xT;
        times.subarray(1).forEach((s, i) => {
          const [from, to] = [frame.level(times[i]!), frame.level(s)];
          const ratio = to.sigma / from.sigma;
          x = axpby(ratio, x, to.alpha - from.alpha * ratio, exact.x0(frame, x, from.t));
        });
        return tf.max(tf.abs(tf.sub(x, exact.flow(frame, xT)))).dataSync()[0]!;
      });
    const expectFirstOrder = (coarse: number, fine: number): void => {
      expect(fine).toBeLessThan(0.05);
      expect(Math.log2(coarse / fine)).toBeGreaterThan(0.8);
      expect(Math.log2(coarse / fine)).toBeLessThan(1.2);
    };

    it('is where DDIM converges to with first order', () => {
      const of = (steps: number): number => error(linear({ steps }), trailing(steps));
      expectFirstOrder(of(50), of(100));
    });

    it('is where Euler’s steps in the frames of EDM and of rectified flow converge to', () => {
      for (const frame of [varianceExploding({ sigmaMax: 5 }), rectified()]) {
        expectFirstOrder(error(frame, trailing(100)), error(frame, trailing(200)));
      }
    });

    it('ends in the data: deviations from the mean of x_T become as many of x_0', () => {
      for (const [, frame] of FAMILIES) {
        const { alpha, sigma } = frame.level(frame.end);
        const deviation = Math.hypot(alpha * data.deviation, sigma);
        const xT = tf.tensor1d([-2, 0, 1.5].map((z) => alpha * data.mean + deviation * z));
        const x0 = [-2, 0, 1.5].map((z) => data.mean + data.deviation * z);
        expectAllClose(exactGaussian(data).flow(frame, xT), x0);
      }
    });

    it('goes from any time to any other and back', () => {
      for (const [, frame, times] of FAMILIES) {
        const { flow } = exactGaussian(data);
        const [first, middle] = [times[0]!, times[1]!];
        const there = flow(frame, xt(), first, middle);
        expectAllClose(flow(frame, there, middle, first), xts);
        expectAllClose(flow(frame, flow(frame, there, middle, frame.end)), flow(frame, xt(), first), {
          absolute: 1e-5,
        });
      }
    });
  });

  it.each(FAMILIES)(
    'with its variance the reverse process goes from q(x_t) to q(x_s) in one step, however long: %s',
    async (_, frame, times) => {
      const exact = exactGaussian(data);
      const reverse = reverseProcess({
        forward: gaussianDiffusion(frame),
        denoiser: exact.denoiser(frame, PREDICTIONS.x0),
        predicts: PREDICTIONS.x0,
        variance: exact.variance,
      });
      const spread = (t: number): number => {
        const { alpha, sigma } = frame.level(t);
        return (alpha * data.deviation) ** 2 + sigma ** 2;
      };
      for (const [t, s] of [
        [times.at(-1)!, frame.start],
        [times.at(-1)!, times[1]!],
        [times[1]!, times[0]!],
      ] as const) {
        const deviation = Math.sqrt(spread(t));
        const from = frame.level(t).alpha * data.mean;
        const x = tf.tensor1d([from - deviation, from + deviation]);
        const { mean, logVariance } = (await reverse.evaluate(x, t)).to(s);
        const [low, high] = mean.dataSync();
        const reached = ((high! - low!) / 2) ** 2 + Math.exp(logVariance as number);
        expectAllClose((high! + low!) / 2, frame.level(s).alpha * data.mean, { absolute: 1e-5 });
        expectAllClose(reached, spread(s));
      }
    },
  );

  it('leaves no tensor behind', async () => {
    const x = xt();
    const exact = exactGaussian(data);
    await expectNoLeak(() => exact.x0(schedule, x, 3));
    await expectNoLeak(() => exact.score(schedule, x, Float64Array.of(1, 2, 3)));
    await expectNoLeak(() => exact.sample(rng(1), [2, 3]));
    await expectNoLeak(() => exact.flow(schedule, x));
  });
});

it('Var[x_s | x_t] is what conditioning a Gaussian pair leaves: Var[x_s] − Cov[x_s, x_t]²/Var[x_t]', () => {
  const { reverseVariance } = exactGaussian(data);
  for (const [, frame, times] of FAMILIES) {
    const pairs = times.flatMap((t) => times.filter((s) => s < t).map((s) => [t, s] as const));
    for (const [t, s] of pairs) {
      const [from, to] = [frame.level(t), frame.level(s)];
      const spread = ({ alpha, sigma }: typeof from): number => (alpha * data.deviation) ** 2 + sigma ** 2;
      const covariance = (from.alpha / to.alpha) * spread(to);
      const left = spread(to) - covariance ** 2 / spread(from);
      expectAllClose(reverseVariance(frame, t, s), left, { relative: 1e-9, absolute: 0 });
    }
  }
});

it('the variance of x_0 given x_t is 1/(1/s² + SNR)', () => {
  const { reverseVariance } = exactGaussian(data);
  for (const [, frame, times] of FAMILIES) {
    const found = times.map((t) => reverseVariance(frame, t, frame.start));
    const expected = times.map((t) => 1 / (data.deviation ** -2 + Math.exp(frame.level(t).logSnr)));
    expectAllClose(found, expected, { relative: 1e-12, absolute: 0 });
    expect(sum(found)).toBeLessThanOrEqual(data.deviation ** 2 * times.length);
  }
});

it('refuses a deviation that is not positive', () => {
  expect(() => exactGaussian({ mean: 0, deviation: 0 })).toThrow(
    new RangeError('deviation must be positive, not 0'),
  );
});

it('refuses the variance of a step towards noise', () => {
  expect(() => exactGaussian(data).reverseVariance(schedule, 3, 4)).toThrow(
    new RangeError('s is 4, expected a time of less noise than t, which is 3'),
  );
});
