import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { gaussian, gaussianMixture } from '../src/index.js';
import { conditionalMean, logMarginal } from './quadrature.js';

const schedule = cosine({ steps: 20 });
const three = { weights: [1, 2, 1], means: [[-1], [0.3], [1.2]], deviations: [0.2, 0.1, 0.4] };
const density = (x: number): number =>
  three.weights.reduce((sum, weight, k) => {
    const deviation = three.deviations[k]!;
    return sum + (weight / deviation) * Math.exp(-0.5 * ((x - three.means[k]![0]!) / deviation) ** 2);
  }, 0);

onEachBackend(() => {
  const xts = [-1.5, 0.2, 0.9];
  const at = (index: number) => ({
    xt: tf.tensor2d(xts, [3, 1]),
    t: tf.fill([3], index, 'int32') as tf.Tensor1D,
  });

  it('E[x_0 | x_t] is the mean of the posterior, found by quadrature', () => {
    for (const index of [0, 8, 19]) {
      const { xt, t } = at(index);
      const expected = xts.map((x) => conditionalMean(density, schedule.alphaBars[index]!, x));
      expectAllClose(gaussianMixture(three).x0(schedule, xt, t), expected, {
        relative: 1e-4,
        absolute: 1e-5,
      });
    }
  });

  it('the score is the slope of ln q(x_t), found by quadrature', () => {
    for (const index of [1, 8, 19]) {
      const { xt, t } = at(index);
      const slope = (x: number) => {
        const [above, below] = [x + 1e-4, x - 1e-4].map((y) =>
          logMarginal(density, schedule.alphaBars[index]!, y),
        );
        return (above! - below!) / 2e-4;
      };
      const score = gaussianMixture(three).score(schedule, xt, t);
      expectAllClose(score, xts.map(slope), { relative: 1e-4, absolute: 1e-4 });
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
    const index = 8;
    const alphaBar = schedule.alphaBars[index]!;
    const logDensity = (x: readonly number[]): number => {
      const parts = space.weights.map((weight, k) => {
        const variance = alphaBar * space.deviations[k]! ** 2 + 1 - alphaBar;
        const squares = x.reduce(
          (sum, y, d) => sum + (y - Math.sqrt(alphaBar) * space.means[k]![d]!) ** 2,
          0,
        );
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
    const t = tf.tensor1d([index], 'int32');
    expectAllClose(gaussianMixture(space).score(schedule, tf.tensor2d([point]), t), slope, {
      relative: 1e-4,
    });
  });

  it('in several dimensions x̂_0 and the score obey Tweedie: √ᾱ x̂_0 = x_t + (1 − ᾱ) ∇ ln q(x_t)', () => {
    const mixture = gaussianMixture(space);
    const xt = rng(3).normal([5, 3]);
    const index = 12;
    const t = tf.fill([5], index, 'int32') as tf.Tensor1D;
    const alphaBar = schedule.alphaBars[index]!;
    const tweedie = tf.add(xt, tf.mul(mixture.score(schedule, xt, t), 1 - alphaBar));
    expectAllClose(tf.mul(mixture.x0(schedule, xt, t), Math.sqrt(alphaBar)), tweedie, { absolute: 1e-5 });
  });

  it('one component is a Gaussian', () => {
    const one = gaussianMixture({ weights: [7], means: [[0.4, 0.4]], deviations: [0.3] });
    const exact = gaussian({ mean: 0.4, deviation: 0.3 });
    const xt = rng(4).normal([6, 2]);
    const t = tf.tensor1d([0, 3, 7, 11, 15, 19], 'int32');
    for (const predicts of ['x0', 'epsilon', 'v'] as const) {
      expectAllClose(one.denoiser(schedule, predicts)(xt, t), exact.denoiser(schedule, predicts)(xt, t), {
        absolute: 1e-5,
      });
    }
  });

  it('samples each component as often as its weight says, with its mean and deviation', () => {
    const count = 8000;
    const mixture = gaussianMixture({
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
    const { xt, t } = at(3);
    const mixture = gaussianMixture(three);
    await expectNoLeak(() => mixture.x0(schedule, xt, t));
    await expectNoLeak(() => mixture.score(schedule, xt, t));
    await expectNoLeak(() => mixture.sample(rng(1), 5));
    const denoiser = mixture.denoiser(schedule, 'v');
    await expectNoLeak(() => denoiser(xt, t));
  });
});

it('refuses lists of different length, means of different dimension, and what is not positive', () => {
  expect(() => gaussianMixture({ ...three, weights: [1] })).toThrow(
    'weights, means and deviations must have one entry per component, not 1, 3 and 3',
  );
  expect(() => gaussianMixture({ ...three, means: [[1], [1, 2], [1]] })).toThrow(
    'means must have one dimension, not both 1 and 2',
  );
  expect(() => gaussianMixture({ ...three, deviations: [1, 0, 1] })).toThrow(
    'deviations must be positive, not 0',
  );
  expect(() => gaussianMixture({ ...three, weights: [1, -1, 1] })).toThrow(
    'weights must be positive, not -1',
  );
});
