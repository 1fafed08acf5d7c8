import { cosine, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { axpby, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { branchingMixture, exactDataset, exactGaussianMixture } from '../src/index.js';

const schedule = cosine({ steps: 20 });
const PARTS = [
  { weight: 1, mean: [-1, 0.2], deviation: 0.2, label: 0 },
  { weight: 3, mean: [0.5, 0.4], deviation: 0.4, label: 1 },
  { weight: 2, mean: [0.1, -0.8], deviation: 0.3, label: 0 },
];
type Part = (typeof PARTS)[number];

const of = (parts: readonly Part[]) =>
  exactGaussianMixture({
    weights: parts.map(({ weight }) => weight),
    means: parts.map(({ mean }) => mean),
    deviations: parts.map(({ deviation }) => deviation),
    labels: parts.map(({ label }) => label),
  });
const withLabel = (label: number): Part[] => PARTS.filter((part) => part.label === label);

/** Σ w N(x; α m, α² s² + σ²) in float64. */
function density(parts: readonly Part[], { alpha, sigma }: { alpha: number; sigma: number }, x: number[]) {
  return parts.reduce((sum, { weight, mean, deviation }) => {
    const variance = (alpha * deviation) ** 2 + sigma ** 2;
    const squares = x.reduce((total, y, d) => total + (y - alpha * mean[d]!) ** 2, 0);
    return sum + (weight / (2 * Math.PI * variance)) * Math.exp(-squares / (2 * variance));
  }, 0);
}

const X = [
  [0.3, -0.5],
  [-0.9, 0.4],
  [1.1, 0.2],
];

onEachBackend(() => {
  describe('a mixture with classes', () => {
    it('is for a label the mixture of its components alone, and for the label after the last all of it', () => {
      for (const frame of [schedule, varianceExploding(), rectified()]) {
        const [t, xt] = [frame.level(frame.end).t / 3, tf.tensor2d(X)];
        const label = tf.tensor1d([0, 1, 2], 'int32');
        const alone = [of(withLabel(0)), of(withLabel(1)), of(PARTS)];
        for (const what of ['x0', 'score'] as const) {
          const rows = alone.map((mixture, i) => mixture[what](frame, tf.slice(xt, [i, 0], [1, 2]), t));
          expectAllClose(of(PARTS)[what](frame, xt, t, { label }), tf.concat(rows), { absolute: 1e-6 });
        }
      }
    });

    it('knows the density of x_t, that of a class, and that of the data', () => {
      const xt = tf.tensor2d(X);
      const label = tf.tensor1d([0, 1, 2], 'int32');
      for (const t of [-1, 3, 12]) {
        const level = schedule.level(t);
        const log = (parts: readonly Part[], x: number[]): number =>
          Math.log(density(parts, level, x) / parts.reduce((sum, { weight }) => sum + weight, 0));
        expectAllClose(
          of(PARTS).logDensity(schedule, xt, t),
          X.map((x) => log(PARTS, x)),
        );
        expectAllClose(
          of(PARTS).logDensity(schedule, xt, t, { label }),
          X.map((x, i) => log([withLabel(0), withLabel(1), PARTS][i]!, x)),
        );
      }
    });

    it('has a classifier that obeys Bayes', () => {
      const logits = of(PARTS).classifier(schedule)(tf.tensor2d(X), tf.fill([3], 8));
      const chances = X.map((x) => {
        const [a, b] = [0, 1].map((label) => density(withLabel(label), schedule.level(8), x));
        return [a! / (a! + b!), b! / (a! + b!)];
      });
      expectAllClose(tf.softmax(logits), chances.flat(), { absolute: 1e-6 });
    });

    it('draws examples of a class, from its components as often as they weigh', () => {
      const samples = of(PARTS).sample(rng(3), 3000, 0).arraySync();
      // Those of class 0 weigh 1 and 2; five standard errors of a mean, where the deviation is at most 0.6.
      const mean = [0, 1].map((d) => samples.reduce((sum, x) => sum + x[d]!, 0) / samples.length);
      const expected = [(-1 + 2 * 0.1) / 3, (0.2 - 2 * 0.8) / 3];
      expectAllClose(mean, expected, { relative: 0, absolute: (5 * 0.6) / Math.sqrt(3000) });
    });

    it('leaves no tensor behind', async () => {
      const [xt, t, label] = [tf.tensor2d(X), tf.fill([3], 8), tf.tensor1d([0, 1, 2], 'int32')];
      await expectNoLeak(() => of(PARTS).score(schedule, xt, 3, { label }));
      await expectNoLeak(() => of(PARTS).logDensity(schedule, xt, 3, { label }));
      await expectNoLeak(() => of(PARTS).classifier(schedule)(xt, t as tf.Tensor1D));
    });

    it('refuses labels that are none, and a class that it has not', () => {
      const parts = { weights: [1, 1], means: [[0], [1]], deviations: [1, 1] };
      for (const labels of [[0], [0, -1], [0, 0.5]]) {
        expect(() => exactGaussianMixture({ ...parts, labels })).toThrow(
          `labels must be one whole number from 0 on for each of 2 components, not [${labels}]`,
        );
      }
      expect(() => of(PARTS).sample(rng(0), 1, 2)).toThrow('label must be one of the classes, 0 … 1, not 2');
    });
  });

  describe('a finite data set', () => {
    const EXAMPLES = [
      [
        [0.5, -1],
        [0, 0.3],
      ],
      [
        [-0.4, 0.2],
        [1, 0.1],
      ],
      [
        [0.9, 0.9],
        [-0.2, -0.6],
      ],
    ];
    const data = () => exactDataset(tf.tensor3d(EXAMPLES));

    it('has the denoiser that is the softmax over its examples', () => {
      for (const [frame, t] of [
        [schedule, 12],
        [varianceExploding(), 0.7],
        [rectified(), 0.4],
      ] as const) {
        const { alpha, sigma } = frame.level(t);
        const xt = tf.tensor3d(
          [EXAMPLES[0]!, EXAMPLES[2]!].map((x) => x.map((row) => row.map((y) => y + 0.4))),
        );
        const expected = (xt.arraySync() as number[][][]).flatMap((x) => {
          const flat = x.flat();
          const odds = EXAMPLES.map((example) =>
            Math.exp(
              -example.flat().reduce((sum, y, d) => sum + (flat[d]! - alpha * y) ** 2, 0) / (2 * sigma ** 2),
            ),
          );
          const total = odds.reduce((sum, y) => sum + y, 0);
          return flat.map((_, d) =>
            EXAMPLES.reduce((sum, example, k) => sum + (odds[k]! / total) * example.flat()[d]!, 0),
          );
        });
        expectAllClose(data().x0(frame, xt, t), expected, { absolute: 1e-6 });
      }
    });

    it('remembers: where little noise is left it sees one of the examples', () => {
      const edm = varianceExploding();
      const noise = rng(1).normal([3, 2, 2]);
      expectAllClose(data().x0(edm, axpby(1, tf.tensor3d(EXAMPLES), 0.05, noise), 0.05), EXAMPLES.flat(2), {
        absolute: 1e-6,
      });
    });

    it('draws its examples, each as often', () => {
      const drawn = data().sample(rng(2), 900).arraySync() as number[][][];
      const counts = EXAMPLES.map(
        (example) => drawn.filter((x) => String(x) === String(example.map((r) => r.map(Math.fround)))).length,
      );
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(900);
      for (const count of counts) expectAllClose(count, 300, { absolute: 5 * Math.sqrt(200), relative: 0 });
    });

    it('refuses no examples, other shapes, and the time of the data', () => {
      expect(() => exactDataset(tf.zeros([0, 2]))).toThrow(
        'x0 must hold examples, [count, …], not shape [0,2]',
      );
      expect(() => data().x0(schedule, tf.zeros([1, 4]), 3)).toThrow(
        'xt must have shape [batch, 2, 2], not [1,4]',
      );
      expect(() => data().x0(schedule, tf.zeros([1, 2, 2]), -1)).toThrow(
        't is -1, where points have no density',
      );
    });
  });

  describe('the branching mixture', () => {
    it('is two trees, each the other in a mirror, of half the weight', () => {
      const mixture = branchingMixture({ depth: 2 });
      const [points, mirrored] = [X, X.map(([x, y]) => [-x!, y!])].map((rows) => tf.tensor2d(rows));
      const [first, second] = [0, 1].map((label) => ({ label: tf.fill([3], label, 'int32') }));
      const edm = varianceExploding();
      expectAllClose(
        mixture.logDensity(edm, points!, 0.1, first!),
        mixture.logDensity(edm, mirrored!, 0.1, second!),
      );
      // The parts of the whole are equal: q(x) = (q(x | 0) + q(x | 1))/2.
      const both = [first!, second!].map((asked) => tf.exp(mixture.logDensity(edm, points!, 0.1, asked)));
      expectAllClose(tf.exp(mixture.logDensity(edm, points!, 0.1)), tf.div(tf.addN(both), 2), {
        relative: 1e-4,
      });
      expect(Math.abs(both[0]!.dataSync()[0]! / both[1]!.dataSync()[0]! - 1)).toBeGreaterThan(0.1);
    });

    it('has the slope of its density for a score', () => {
      const mixture = branchingMixture({ depth: 3 });
      const edm = varianceExploding();
      const xt = mixture.sample(rng(4), 5);
      const slope = tf.grad((x) => mixture.logDensity(edm, x, 0.2))(xt);
      expectAllClose(mixture.score(edm, xt, 0.2), slope, { relative: 1e-3, absolute: 1e-3 });
    });
  });
}, ['cpu']);

it('a depth that is no whole number is refused', () => {
  expect(() => branchingMixture({ depth: -1 })).toThrow('depth must be a whole number from 0 on, not -1');
});
