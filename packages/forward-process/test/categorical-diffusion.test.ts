import { constantFraction, fromBetas } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, golden, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  absorbingTransition,
  bernoulliDiffusion,
  categoricalDiffusion,
  gaussianTransition,
  latent,
  uniformTransition,
} from '../src/index.js';
import { absorbing, discretisedGaussian, uniform, walk } from './chain.js';

interface Row {
  kind: 'uniform' | 'absorbing' | 'bernoulli';
  classes?: number;
  betas: number[];
  x0: number;
  marginal?: number[][];
  posterior?: Record<string, number[]>;
  p_one?: number[];
  posterior_p_one?: Record<string, number>;
}
const { rows } = golden<{ rows: Row[] }>('discrete');
const close = { relative: 0, absolute: 1e-6 };
const column = (...x: number[]): tf.Tensor => tf.tensor2d(x, [x.length, 1]);
const ofOne = (one: number): number[] => [1 - one, one];

function processOf({ kind, classes, betas }: Row) {
  const schedule = fromBetas(betas);
  if (kind === 'bernoulli') return bernoulliDiffusion(schedule);
  // The file counts the mask among the classes.
  const noise = kind === 'uniform' ? uniformTransition(classes!) : absorbingTransition(classes! - 1);
  return categoricalDiffusion(schedule, noise);
}

const betas = [0.05, 0.2, 0.1, 0.4, 0.3];
const NOISES = [
  ['uniform', uniformTransition(3), uniform(3)],
  ['absorbing', absorbingTransition(3), absorbing(3)],
  ['discretised Gaussian', gaussianTransition(4), discretisedGaussian(4)],
] as const;

onEachBackend(() => {
  it.each(rows)('has the marginals and posteriors of the reference: $kind by $betas from $x0', (row) => {
    const q = processOf(row);
    const marginals = row.marginal ?? row.p_one!.map(ofOne);
    const steps = Float64Array.from(marginals, (_, t) => t);
    const { probabilities } = q.marginal(tf.fill([marginals.length, 1], row.x0), steps);
    expectAllClose(probabilities, marginals.flat(), close);
    const posteriors = Object.entries(row.posterior ?? row.posterior_p_one!);
    expect(posteriors.length).toBeGreaterThanOrEqual(4);
    for (const [key, expected] of posteriors) {
      const [t, xt] = key.split(',').map(Number);
      const p = q.posterior(column(row.x0), column(xt!), t!, t! - 1);
      expectAllClose(p.probabilities, typeof expected === 'number' ? ofOne(expected) : expected, close);
    }
  });

  describe.each(NOISES)('%s noise', (_, transition, step) => {
    const q = categoricalDiffusion(fromBetas(betas), transition);
    const { classes, states } = q;

    it('posterior × marginal = joint, for any data, state and two times', () => {
      const time = fc.integer({ min: -1, max: betas.length - 1 });
      fc.assert(
        fc.property(fc.integer({ min: 0, max: classes - 1 }), time, time, (x0, a, b) => {
          fc.pre(a !== b);
          const [s, t] = [Math.min(a, b), Math.max(a, b)];
          tf.tidy(() => {
            const all = Array.from({ length: states }, (_, state) => state);
            const x = tf.fill([states, 1], x0);
            const marginal = q.marginal(column(x0), t).probabilities.dataSync();
            const posterior = q.posterior(x, column(...all), t, s).probabilities.dataSync();
            const joint = all.flatMap((xt) =>
              all.map((xs) => walk(step, betas, -1, s, x0, xs) * walk(step, betas, s, t, xs, xt)),
            );
            expectAllClose(
              joint.map((_, n) => posterior[n]! * marginal[Math.floor(n / states)]!),
              joint,
              close,
            );
          });
        }),
        { numRuns: 25, seed: 1 },
      );
    });

    it('takes a time for each example, as those of one alone', () => {
      const [x0, xt] = [column(0, 1, 2), column(0, 1, states - 1)];
      const [t, s] = [Float64Array.of(4, 3, 2), Float64Array.of(-1, 2, 0)];
      const together = q.posterior(x0, xt, t, s).probabilities.dataSync();
      [0, 1, 2].forEach((i) => {
        const alone = q.posterior(tf.slice(x0, [i], [1]), tf.slice(xt, [i], [1]), t[i]!, s[i]!).probabilities;
        expectAllClose(together.slice(i * states, (i + 1) * states), alone);
      });
    });

    it('over an uncertain x_0 is the sum of the posteriors, those that cannot be left out', () => {
      const weights = Array.from({ length: classes }, (_, k) => k + 1);
      const total = weights.reduce((a, b) => a + b);
      const p = tf.tensor3d([[weights.map((w) => w / total)]]);
      for (let xt = 0; xt < states; xt++) {
        const possible = weights.map((w, x0) => (walk(step, betas, -1, 3, x0, xt) > 0 ? w : 0));
        const sum = possible.reduce((a, b) => a + b);
        const expected = Array.from({ length: states }, (_, xs) =>
          possible.reduce((all, w, x0) => {
            if (w === 0) return all;
            const joint = walk(step, betas, -1, 1, x0, xs) * walk(step, betas, 1, 3, xs, xt);
            return all + ((w / sum) * joint) / walk(step, betas, -1, 3, x0, xt);
          }, 0),
        );
        expectAllClose(q.posteriorOver(p, column(xt), 3, 1).probabilities, expected, close);
      }
    });

    it('samples x_t as often as its marginal says', () => {
      const count = 20_000;
      const x0 = tf.ones([count, 1]);
      const drawn = q.sample(x0, 2, q.noise(rng(1), x0.shape)).dataSync<'float32'>();
      for (let k = 0; k < states; k++) {
        const p = walk(step, betas, -1, 2, 1, k);
        const share = drawn.reduce((sum, x) => sum + Number(x === k), 0) / count;
        expect(Math.abs(share - p)).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / count));
      }
    });
  });

  it('ends in its prior where the last β is 1', () => {
    for (const noise of [uniformTransition(3), absorbingTransition(3)]) {
      const q = categoricalDiffusion(constantFraction({ steps: 7 }), noise);
      expectAllClose(q.marginal(column(0, 2), 6).kl(q.prior([2, 1])), [0, 0]);
    }
    const coins = bernoulliDiffusion(constantFraction({ steps: 7 }));
    expect(new Set(latent(coins, rng(0), [40, 1]).dataSync())).toEqual(new Set([0, 1]));
    const masked = categoricalDiffusion(constantFraction({ steps: 7 }), absorbingTransition(3));
    expect(new Set(latent(masked, rng(0), [40, 1]).dataSync())).toEqual(new Set([3]));
  });

  it('refuses a posterior at a time of no less noise, and shapes that do not fit', () => {
    const q = bernoulliDiffusion(fromBetas(betas));
    expect(() => q.posterior(column(1), column(1), 2, 2)).toThrow(
      new RangeError('s is 2, expected a time of less noise than t, which is 2'),
    );
    expect(() => q.posterior(column(1), column(1, 0), 2, 1)).toThrow(
      new RangeError('xt must have the shape of x0, [1,1], not [2,1]'),
    );
  });

  it('leaves no tensor behind, and its inputs untouched', async () => {
    const q = bernoulliDiffusion(fromBetas(betas));
    const x = column(1, 0);
    await expectNoLeak(() => q.sample(x, 3, x));
    await expectNoLeak(() => q.marginal(x, 3).probabilities);
    await expectNoLeak(() => q.posterior(x, x, 3, 0).probabilities);
    await expectNoLeak(() => q.prior([2, 1]).probabilities);
    expect(x.isDisposed).toBe(false);
  });
});
