import { gaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess, type Variance } from '@diffusion-ts/reverse-process';
import { cosine, linear, type NoiseSchedule, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { lookup, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type BoundTerms, variationalBoundTerms } from '../src/index.js';

const distribution = { mean: 0.3, deviation: 0.5 };
const data = gaussian(distribution);

/** Data N(m, s²) with a reverse process whose means are exact; so are its variances where they are learned. */
function exactReverse(schedule: NoiseSchedule, variance: Variance) {
  const x0 = data.denoiser(schedule, 'x0');
  const logVariances = data.reverseVariance(schedule).map(Math.log);
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, t) => {
      if (variance !== 'learned') return x0(xt, t);
      const logVariance = tf.broadcastTo(lookup(logVariances, t, xt.rank), xt.shape);
      return tf.concat([x0(xt, t), logVariance], -1);
    },
    predicts: 'x0',
    variance,
  });
}

/** Noise of the given values, one per example. */
function fixedNoise(values: readonly number[]): Rng {
  const source: Rng = {
    ...rng(0),
    normal: () => tf.tensor2d([...values], [values.length, 1]),
    fork: () => source,
  };
  return source;
}

const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, y) => sum + y, 0) / x.length;

onEachBackend(() => {
  // The terms are quadratic in x_0 and in the noise, so the corners m ± s, ±1 give their expectation exactly.
  const corners = async (schedule: NoiseSchedule, variance: Variance): Promise<BoundTerms> => {
    const x0 = tf.tensor2d([0.8, 0.8, -0.2, -0.2], [4, 1]);
    const terms = variationalBoundTerms(exactReverse(schedule, variance), x0, fixedNoise([1, -1, 1, -1]), {
      decoder: 'gaussian',
    });
    return terms.finally(() => x0.dispose());
  };

  describe.each([
    ['linear', linear({ steps: 40 })],
    ['cosine', cosine({ steps: 40 })],
    ['zero terminal SNR', rescaleToZeroTerminalSnr(linear({ steps: 40 }))],
  ] as const)('for Gaussian data on a schedule of 40 steps: %s', (_, schedule) => {
    it('the exact reverse process has the exact bound, term by term', async () => {
      const terms = await corners(schedule, 'learned');
      const exact = data.bound(schedule);
      const close = { relative: 1e-4, absolute: 1e-6 };
      expectAllClose(mean(terms.prior), exact.prior, close);
      expectAllClose(terms.transitions.map(mean), exact.transitions, close);
      expectAllClose(mean(terms.reconstruction), exact.reconstruction, close);
      expectAllClose(mean(terms.bitsPerDim), exact.bitsPerDim, { relative: 1e-5, absolute: 1e-5 });
    });

    it.each(['fixedSmall', 'fixedLarge'] as const)(
      'with %s variance it has the longer one that follows',
      async (variance) => {
        const variances = (variance === 'fixedSmall' ? schedule.posteriorVariance : schedule.betas).slice();
        variances[0] = schedule.posteriorVariance[1]!;
        const terms = await corners(schedule, variance);
        const exact = data.bound(schedule, variances);
        expectAllClose(terms.transitions.map(mean), exact.transitions, { relative: 1e-4, absolute: 2e-6 });
        expectAllClose(mean(terms.bitsPerDim), exact.bitsPerDim, { relative: 1e-5, absolute: 1e-5 });
        expect(exact.bitsPerDim).toBeGreaterThan(data.entropy + 1e-3);
      },
    );
  });

  it('over samples and noise it averages to the bound, within five standard errors', async () => {
    const schedule = cosine({ steps: 20 });
    const x0 = data.sample(rng(7), [2000, 8]);
    const { bitsPerDim } = await variationalBoundTerms(exactReverse(schedule, 'learned'), x0, rng(8), {
      decoder: 'gaussian',
    });
    const average = mean(bitsPerDim);
    const error = Math.sqrt(mean(bitsPerDim.map((bits) => (bits - average) ** 2)) / bitsPerDim.length);
    expect(error).toBeLessThan(0.02);
    expect(Math.abs(average - data.bound(schedule).bitsPerDim)).toBeLessThan(5 * error);
  });

  it('adds up to bits per dimension', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'fixedLarge');
    const { prior, transitions, reconstruction, bitsPerDim } = await variationalBoundTerms(
      reverse,
      rng(1).normal([3, 2]),
      rng(2),
      { decoder: 'gaussian' },
    );
    expect(transitions.length).toBe(24);
    expectAllClose(
      bitsPerDim,
      Array.from(prior, (bits, i) =>
        transitions.reduce((sum, term) => sum + term[i]!, bits + reconstruction[i]!),
      ),
      { relative: 1e-12, absolute: 0 },
    );
  });

  it('gives an example the same terms whatever else is in its batch', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'fixedLarge');
    const x0 = rng(1).normal([5, 2]);
    const all = await variationalBoundTerms(reverse, x0, rng(2));
    const tail = await variationalBoundTerms(reverse, tf.slice(x0, 3), rng(2).rows(3));
    const head = await variationalBoundTerms(reverse, tf.slice(x0, 0, 3), rng(2));
    expectAllClose([...head.bitsPerDim, ...tail.bitsPerDim], all.bitsPerDim, { relative: 1e-6 });
  });

  it('gives the same terms when asked again: the rng is left where it is', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'fixedLarge');
    const x0 = rng(1).normal([2, 2]);
    const source = rng(2);
    const first = await variationalBoundTerms(reverse, x0, source);
    expect(await variationalBoundTerms(reverse, x0, source)).toEqual(first);
  });

  it('tells each term as it comes, from the noise to the data', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'fixedLarge');
    const seen: number[][] = [];
    const terms = await variationalBoundTerms(reverse, tf.ones([1, 2]), rng(2), {
      onTerm: ({ t, bits, done, total }) => seen.push([t, done, total, bits[0]!]),
    });
    expect(seen.map(([t, done, total]) => [t, done, total])).toEqual(
      Array.from({ length: 25 }, (_, i) => [24 - i, i + 1, 25]),
    );
    expect(seen.map(([, , , bits]) => bits)).toEqual([
      ...terms.transitions.map((bits) => bits[0]!).reverse(),
      terms.reconstruction[0]!,
    ]);
  });

  it('stops at the next term once aborted, with the reason, and leaves nothing behind', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'fixedLarge');
    const x0 = tf.ones([1, 2]);
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    let done = 0;
    const running = variationalBoundTerms(reverse, x0, rng(2), {
      signal: controller.signal,
      onTerm: () => {
        done += 1;
        if (done === 3) controller.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow('enough');
    expect(done).toBe(3);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('hands the condition to the network', async () => {
    const labels = tf.tensor1d([3], 'int32');
    const reverse = reverseProcess({
      forward: gaussianDiffusion(linear({ steps: 25 })),
      denoiser: (xt, _, condition) => {
        expect(condition?.labels).toBe(labels);
        return tf.clone(xt);
      },
      predicts: 'v',
      variance: 'fixedSmall',
    });
    await variationalBoundTerms(reverse, tf.ones([1, 2]), rng(2), { condition: { labels } });
    expect.assertions(25);
  });

  it('leaves no tensor behind', async () => {
    const reverse = exactReverse(linear({ steps: 25 }), 'learned');
    const [x0, source] = [tf.ones([2, 2]), rng(2)];
    await expectNoLeak(() => variationalBoundTerms(reverse, x0, source));
  });
});
