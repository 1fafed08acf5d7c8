import {
  absorbingTransition,
  bernoulliDiffusion,
  categorical,
  categoricalDiffusion,
  type Gaussian,
  gaussian,
  gaussianDiffusion,
} from '@diffusion-ts/forward-process';
import { constantFraction, cosine } from '@diffusion-ts/schedules';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  atOnce,
  categoricalReverseProcess,
  fixedSmall,
  multiplied,
  reverseProcess,
  timesCategorical,
  timesGaussian,
  timesTilt,
  x0Prediction,
} from '../src/index.js';

/** Mean and variance of e^f by a sum over a fine grid. */
function moments(f: (x: number) => number): [mean: number, variance: number] {
  const grid = Array.from({ length: 20_001 }, (_, i) => (i - 10_000) / 1000);
  const weights = grid.map((x) => Math.exp(f(x)));
  const total = weights.reduce((a, b) => a + b);
  const mean = grid.reduce((sum, x, i) => sum + x * weights[i]!, 0) / total;
  return [mean, grid.reduce((sum, x, i) => sum + (x - mean) ** 2 * weights[i]!, 0) / total];
}
const variances = ({ logVariance }: Gaussian): number[] => [...tf.exp(logVariance as tf.Tensor).dataSync()];

onEachBackend(() => {
  describe('a Gaussian', () => {
    const [mean, y, logR] = [
      [0.3, -1, 0.5],
      [1, 1, 7],
      [Math.log(0.5), Math.log(2), 60],
    ] as const;
    const p = () => gaussian({ mean: tf.tensor2d([[...mean]]), logVariance: Math.log(0.25) });

    it('times a Gaussian is the normalised product of the densities, and itself where r is flat', () => {
      const r = { mean: tf.tensor2d([[...y]]), logVariance: tf.tensor2d([[...logR]]) };
      const q = timesGaussian(r)(p(), 0);
      const expected = mean.map((m, i) =>
        moments((x) => -((x - m) ** 2) / 0.5 - (x - y[i]!) ** 2 / (2 * Math.exp(logR[i]!))),
      );
      expectAllClose(
        q.mean,
        expected.map(([m]) => m),
      ); // prettier-ignore
      expectAllClose(
        variances(q),
        expected.map(([, v]) => v),
      ); // prettier-ignore
    });

    it('times what is known without doubt is that', () => {
      const r = { mean: tf.tensor2d([[...y]]), logVariance: tf.fill([1, 3], -60) };
      const q = timesGaussian(r)(p(), 0);
      expectAllClose(q.mean, y);
      expectAllClose(variances(q), [0, 0, 0]);
    });

    it('times e^(ax) moves by σ² a, which is the product', () => {
      const a = [0.5, -2, 0];
      const q = timesTilt(() => tf.tensor2d([a]))(p(), 0);
      const expected = mean.map((m, i) => moments((x) => -((x - m) ** 2) / 0.5 + a[i]! * x)[0]);
      expectAllClose(q.mean, expected);
      expect(q.logVariance).toBe(Math.log(0.25));
    });
  });

  it('a categorical times an r of each class is the normalised product, r where they exclude each other', () => {
    const p = categorical(
      tf.tensor2d([
        [0.2, 0.3, 0.5],
        [1, 0, 0],
        [0.1, 0.1, 0.8],
      ]),
    ); // prettier-ignore
    const q = timesCategorical(
      tf.tensor2d([
        [2, 1, 1],
        [0, 1, 3],
        [1, 1, 1],
      ]),
    )(p, 0); // prettier-ignore
    expectAllClose(q.probabilities, [0.4 / 1.2, 0.3 / 1.2, 0.5 / 1.2, 0, 0.25, 0.75, 0.1, 0.1, 0.8]);
  });

  it('p̃(x_0) ∝ p(x_0) r(x_0) exactly, where one step of pure noise leads to the data', () => {
    const forward = bernoulliDiffusion(constantFraction({ steps: 1 }));
    const data = [0.7, 0.3];
    const reverse = categoricalReverseProcess({
      forward,
      denoiser: (x) => tf.tile(tf.log(tf.tensor2d([data])), [x.size, 1]),
    }); // prettier-ignore
    const r = tf.tensor3d([[[1, 4]], [[1, 4]]]);
    const both = multiplied(reverse, timesCategorical(r));
    const p = atOnce(both.evaluate(tf.tensor2d([[0], [1]]), 0)).to(-1);
    const row = [0.7 / 1.9, 1.2 / 1.9];
    expectAllClose(p.probabilities, [...row, ...row]);
  });

  it('holds what is known in every step, and leaves the rest to the process', () => {
    const forward = categoricalDiffusion(constantFraction({ steps: 4 }), absorbingTransition(2));
    const reverse = categoricalReverseProcess({ forward, denoiser: () => tf.zeros([1, 2, 2]) });
    const xt = tf.tensor2d([[2, 2]]);
    const known = multiplied(
      reverse,
      timesCategorical(
        tf.tensor3d([
          [
            [0, 1, 0],
            [1, 1, 1],
          ],
        ]),
      ),
    ); // prettier-ignore
    const [own, free] = [known, reverse].map((process) => [
      ...atOnce(process.evaluate(xt, 3)).to(2).probabilities.dataSync(),
    ]);
    expect(own!.slice(0, 3)).toEqual([0, 1, 0]);
    expectAllClose(own!.slice(3), free!.slice(3));
  });

  it('tells r the time, answers later where the network does, and leaves no tensor behind', async () => {
    const forward = gaussianDiffusion(cosine({ steps: 10 }));
    const options = { forward, predicts: x0Prediction, variance: fixedSmall };
    const seen: unknown[] = [];
    const product = timesTilt((x, s) => {
      seen.push(s);
      return tf.neg(x);
    });
    const xt = tf.ones([1, 2]);
    const now = multiplied(reverseProcess({ ...options, denoiser: (x) => tf.clone(x) }), product);
    const later = multiplied(reverseProcess({ ...options, denoiser: async (x) => tf.clone(x) }), product);
    const meanOf = async (process: typeof now) => {
      const evaluation = await process.evaluate(xt, 5);
      const { mean } = evaluation.to(3);
      evaluation.dispose();
      return mean;
    };
    expectAllClose(await meanOf(later), await meanOf(now));
    expect(seen).toEqual([3, 3]);
    await expectNoLeak(() => meanOf(now));
    await expectNoLeak(() => meanOf(later));
  });
});
