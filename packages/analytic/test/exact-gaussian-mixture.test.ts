import { PREDICTIONS } from '@diffusion-ts/reverse-process';
import { cosine, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { axpby, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { exactGaussian, exactGaussianMixture } from '../src/index.js';
import { conditionalMean, logSlope } from './quadrature.js';

const schedule = cosine({ steps: 20 });
const three = { weights: [1, 2, 1], means: [[-1], [0.3], [1.2]], deviations: [0.2, 0.1, 0.4] };
const density = (x: number): number =>
  three.weights.reduce((sum, weight, k) => {
    const deviation = three.deviations[k]!;
    return sum + (weight / deviation) * Math.exp(-0.5 * ((x - three.means[k]![0]!) / deviation) ** 2);
  }, 0);

onEachBackend(() => {
  const xts = [-1.5, 0.2, 0.9];
  const xt = () => tf.tensor2d(xts, [3, 1]);

  it('E[x_0 | x_t] is the mean of the posterior, found by quadrature', () => {
    for (const t of [0, 8, 8.5, 19]) {
      const expected = xts.map((x) => conditionalMean(density, schedule.level(t), x));
      expectAllClose(exactGaussianMixture(three).x0(schedule, xt(), t), expected, {
        relative: 1e-4,
        absolute: 1e-5,
      });
    }
  });

  it('the score is the slope of ln q(x_t), found by quadrature', () => {
    for (const t of [1, 8, 8.5, 19]) {
      const expected = xts.map((x) => logSlope(density, schedule.level(t), x));
      const score = exactGaussianMixture(three).score(schedule, xt(), t);
      expectAllClose(score, expected, { relative: 1e-4, absolute: 1e-4 });
    }
  });

  it('in the frames of EDM and of rectified flow both are what quadrature finds', () => {
    for (const [frame, t] of [
      [varianceExploding(), 0.1],
      [varianceExploding(), 1.3],
      [varianceExploding(), 80],
      [rectified(), 0.1],
      [rectified(), 0.6],
      [rectified(), 1],
    ] as const) {
      const level = frame.level(t);
      const xs = xts.map((x) => x * Math.max(level.sigma, 0.7));
      const x = tf.tensor2d(xs, [3, 1]);
      const close = { relative: 1e-4, absolute: 1e-5 };
      expectAllClose(
        exactGaussianMixture(three).x0(frame, x, t),
        xs.map((x) => conditionalMean(density, level, x)),
        close,
      );
      expectAllClose(
        exactGaussianMixture(three).score(frame, x, t),
        xs.map((x) => logSlope(density, level, x)),
        close,
      );
    }
  });

  const space = {
    weights: [3, 1],
    means: [
      [0, 1, -1],
      [2, 0, 0.5],
    ],
    deviations: [0.5, 0.2],
  };

  it('in several dimensions the score is the slope of the logarithm of the mixture', () => {
    const { alpha, sigma } = schedule.level(8);
    const logDensity = (x: readonly number[]): number => {
      const parts = space.weights.map((weight, k) => {
        const variance = (alpha * space.deviations[k]!) ** 2 + sigma ** 2;
        const squares = x.reduce((sum, y, d) => sum + (y - alpha * space.means[k]![d]!) ** 2, 0);
        return weight * variance ** -1.5 * Math.exp(-squares / (2 * variance));
      });
      return Math.log(parts.reduce((sum, part) => sum + part, 0));
    };
    const point = [0.9, 0.4, -0.2];
    const slope = point.map((_, d) => {
      const [above, below] = [1e-5, -1e-5].map((step) =>
        logDensity(point.map((y, i) => (i === d ? y + step : y))),
      );
      return (above! - below!) / 2e-5;
    });
    expectAllClose(exactGaussianMixture(space).score(schedule, tf.tensor2d([point]), 8), slope, {
      relative: 1e-4,
    });
  });

  it('in several dimensions x̂_0 and the score obey Tweedie: α x̂_0 = x_t + σ² ∇ ln q(x_t)', () => {
    const mixture = exactGaussianMixture(space);
    for (const [frame, t] of [
      [schedule, 12],
      [varianceExploding(), 2],
      [rectified(), 0.7],
    ] as const) {
      const { alpha, sigma } = frame.level(t);
      const x = rng(3).normal([5, 3]);
      const x0 = mixture.x0(frame, x, t);
      expectAllClose(tf.mul(x0, alpha), axpby(1, x, sigma ** 2, mixture.score(frame, x, t)), {
        absolute: 1e-5,
      });
    }
  });

  it('one component is a Gaussian', () => {
    const one = exactGaussianMixture({ weights: [7], means: [[0.4, 0.4]], deviations: [0.3] });
    const exact = exactGaussian({ mean: 0.4, deviation: 0.3 });
    const x = rng(4).normal([6, 2]);
    const told = tf.tensor1d([0, 3, 7.5, 11, 15, 19]);
    for (const predicts of [PREDICTIONS.x0, PREDICTIONS.epsilon, PREDICTIONS.v]) {
      expectAllClose(one.denoiser(schedule, predicts)(x, told), exact.denoiser(schedule, predicts)(x, told), {
        absolute: 1e-5,
      });
    }
  });

  it('samples each component as often as its weight says, with its mean and deviation', () => {
    const count = 8000;
    const mixture = exactGaussianMixture({
      weights: [1, 3],
      means: [
        [-5, 0],
        [5, 1],
      ],
      deviations: [0.5, 0.1],
    });
    const samples = mixture.sample(rng(5), count).arraySync();
    const groups = [samples.filter(([x]) => x! < 0), samples.filter(([x]) => x! >= 0)];
    // Five standard errors of a share of a quarter, of a mean, and of a deviation.
    expectAllClose(groups[0]!.length / count, 0.25, { relative: 0, absolute: 5 * Math.sqrt(0.1875 / count) });
    groups.forEach((group, k) => {
      const second = group.map((point) => point[1]!);
      const mean = second.reduce((sum, y) => sum + y, 0) / second.length;
      const deviation = Math.sqrt(second.reduce((sum, y) => sum + (y - mean) ** 2, 0) / second.length);
      const expected = [0.5, 0.1][k]!;
      expectAllClose(mean, k, { relative: 0, absolute: (5 * expected) / Math.sqrt(second.length) });
      expectAllClose(deviation, expected, { relative: 5 / Math.sqrt(2 * second.length), absolute: 0 });
    });
  });

  it('leaves no tensor behind', async () => {
    const x = xt();
    const mixture = exactGaussianMixture(three);
    await expectNoLeak(() => mixture.x0(schedule, x, 3));
    await expectNoLeak(() => mixture.score(schedule, x, Float64Array.of(1, 2, 3)));
    await expectNoLeak(() => mixture.sample(rng(1), 5));
  });

  it('refuses points of another dimension', () => {
    expect(() => exactGaussianMixture(space).x0(schedule, xt(), 3)).toThrow(
      new RangeError('xt must have shape [batch, 3], not [3,1]'),
    );
  });
});

it('refuses lists of different length, means of different dimension, and what is not positive', () => {
  expect(() => exactGaussianMixture({ ...three, weights: [1] })).toThrow(
    'weights, means and deviations must have one entry per component, not 1, 3 and 3',
  );
  expect(() => exactGaussianMixture({ ...three, means: [[1], [1, 2], [1]] })).toThrow(
    'means must have one dimension, not both 1 and 2',
  );
  expect(() => exactGaussianMixture({ ...three, deviations: [1, 0, 1] })).toThrow(
    'deviations must be positive, not 0',
  );
  expect(() => exactGaussianMixture({ ...three, weights: [1, -1, 1] })).toThrow(
    'weights must be positive, not -1',
  );
});
