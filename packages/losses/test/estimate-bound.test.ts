import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  epsilonPrediction,
  fixedLarge,
  type GaussianReverseProcess,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import { between, continuous, cosine, linear } from '@diffusion-ts/schedules';
import { type Condition, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { inclusion, systematic } from '../src/bound-times.js';
import {
  type BoundBits,
  type BoundEstimate,
  boundBits,
  boundEstimate,
  type EstimateBoundOptions,
  erfDecoder,
  estimateBound,
  variationalBoundTerms,
} from '../src/index.js';
import { later } from './setting.js';

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

const schedule = cosine({ steps: 12 });

/** A network that mixes the three elements of an example, and hears of a label. */
const mixing: GaussianReverseProcess = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: (xt, told, condition) => {
    const own = tf.mul(xt, tf.tensor2d([[0.6, -0.3, 0.4]]));
    const other = tf.mul(tf.sin(tf.reverse(xt, 1)), tf.expandDims(tf.exp(tf.mul(told, -0.1)), 1));
    const prediction = tf.add(own, other);
    const label = condition?.label;
    return label ? tf.add(prediction, tf.expandDims(tf.mul(tf.cast(label, 'float32'), 0.2), 1)) : prediction;
  },
  predicts: vPrediction,
  variance: fixedLarge,
});

/** The examples `first` … of a data set of six, in batches of these sizes. */
async function* inBatches(
  sizes: readonly number[],
  labels?: readonly number[],
  first = 0,
): AsyncGenerator<{ x0: tf.Tensor; condition?: Condition }> {
  for (const size of sizes) {
    const x0 = tf.tidy(() => tf.tanh(rng(1).rows(first).normal([size, 3])));
    const label = labels && tf.tensor1d(labels.slice(first, first + size), 'int32');
    try {
      yield { x0, ...(label && { condition: { label } }) };
    } finally {
      tf.dispose([x0, ...(label ? [label] : [])]);
    }
    first += size;
  }
}

const estimate = (
  sizes: readonly number[],
  options: Partial<EstimateBoundOptions> = {},
  { reverse = mixing, labels }: { reverse?: GaussianReverseProcess; labels?: readonly number[] } = {},
): Promise<BoundEstimate> =>
  estimateBound(reverse, inBatches(sizes, labels), { times: 4, rng: rng(2), ...options });

/** A source that gives the examples these u, and the same noise at every time. */
function choosing(u: readonly number[]): Rng {
  const source: Rng = {
    ...rng(3),
    normal: (shape) => rng(3).normal(shape),
    doubles: () => Float64Array.from(u),
    fork: () => source,
    rows: () => source,
  };
  return source;
}

function expectSame(actual: BoundEstimate, expected: BoundEstimate): void {
  const flat = ({ terms, ...rest }: BoundEstimate) => [
    ...Object.values(rest),
    ...terms.flatMap((term) => Object.values(term)),
  ];
  expectAllClose(flat(actual), flat(expected), { relative: 1e-6, absolute: 1e-7 });
}

onEachBackend(() => {
  it('averaged over every u, the estimate is the full sum: it has no bias, whatever the terms', async () => {
    const all = await estimate([1], { times: 12, rng: choosing([0.5]) });
    for (const times of [2, 3, 5, 11]) {
      const probabilities = inclusion(schedule, 12, times);
      // Between two of these the choice of times does not change, so that the mean over u is a finite sum.
      let end = 0;
      const breaks = [0, 1];
      for (const probability of probabilities) {
        if (probability === 1) continue;
        end += probability;
        breaks.push(end % 1);
      }
      breaks.sort((a, b) => a - b);
      const mean = { bitsPerDim: 0, prior: 0, transitions: 0, reconstruction: 0 };
      for (const [i, to] of breaks.slice(1).entries()) {
        const length = to - breaks[i]!;
        if (length < 1e-12) continue;
        const one = await estimate([1], { times, rng: choosing([breaks[i]! + length / 2]) });
        expect(one.terms.length).toBe(times);
        for (const name of Object.keys(mean) as (keyof typeof mean)[]) mean[name] += length * one[name];
      }
      for (const name of Object.keys(mean) as (keyof typeof mean)[]) {
        expectAllClose(mean[name], all[name], { relative: 2e-6, absolute: 1e-6 });
      }
    }
  });

  it('of examples that several ranks have is that of one rank, to the last bit', async () => {
    const options = { times: 4, rng: rng(2) };
    const whole = await estimateBound(mixing, inBatches([6]), options);
    for (const sizes of [[6], [1, 5], [2, 3, 1]]) {
      let first = 0;
      const parts: BoundBits[] = [];
      for (const size of sizes) {
        const own = inBatches([size], undefined, first);
        parts.push(await boundBits(mixing, own, { ...options, first }));
        first += size;
      }
      const { terms, ...bits } = boundEstimate(parts);
      expect({ ...bits, terms: whole.terms }).toEqual(whole);
      // What is added up of each t is so in another order.
      expectAllClose(
        terms.flatMap((term) => Object.values(term)),
        whole.terms.flatMap((term) => Object.values(term)),
        { relative: 1e-14, absolute: 0 },
      );
    }
  });

  it('weighs each chosen term by 1/π_t, and tells the mean of those that were evaluated at t', async () => {
    const us = [0.1, 0.3, 0.9];
    const all = await Promise.all(
      [0, 1, 2].map(async (row) => {
        const x0 = tf.tanh(rng(1).rows(row).normal([1, 3]));
        // The noise of that row, at every time.
        const noise: Rng = { ...rng(3), normal: () => rng(3).rows(row).normal([1, 3]), fork: () => noise };
        return variationalBoundTerms(mixing, x0, noise);
      }),
    );
    const terms = all.map(({ reconstruction, transitions }) =>
      [reconstruction, ...transitions].map((values) => values[0]!),
    );
    const probabilities = inclusion(schedule, 12, 4);
    const chosen = us.map((u) => systematic(probabilities, u));
    const totals = chosen.map(
      (own, row) => all[row]!.prior[0]! + sum(own.map((t) => terms[row]![t]! / probabilities[t]!)),
    );
    const result = await estimate([3], { rng: choosing(us) });
    expect(result.images).toBe(3);
    expectAllClose(result.bitsPerDim, sum(totals) / 3);
    const deviation = Math.sqrt(sum(totals.map((bits) => (bits - sum(totals) / 3) ** 2)) / 2);
    expectAllClose(result.standardError, deviation / Math.sqrt(3));
    expectAllClose(result.prior, sum(all.map(({ prior }) => prior[0]!)) / 3);
    expectAllClose(result.reconstruction, sum(terms.map((own) => own[0]!)) / 3);
    expectAllClose(result.transitions, result.bitsPerDim - result.prior - result.reconstruction);
    const seen = [...new Set(chosen.flat())].sort((a, b) => a - b);
    expect(result.terms.map(({ t }) => t)).toEqual(seen);
    for (const { t, bitsPerDim } of result.terms) {
      const there = terms.filter((_, row) => chosen[row]!.includes(t)).map((own) => own[t]!);
      expectAllClose(bitsPerDim, sum(there) / there.length);
    }
  });

  it('tells the error of x_0 at each time', async () => {
    const forward = gaussianDiffusion(schedule);
    // A network that always says the same x_0 misses ones by half, at every time.
    const half = reverseProcess({
      forward,
      denoiser: (xt) => tf.fill(xt.shape, 0.5),
      predicts: x0Prediction,
      variance: fixedLarge,
    });
    async function* ones() {
      const x0 = tf.ones([2, 3]);
      yield { x0 };
      x0.dispose();
    }
    const { terms } = await estimateBound(half, ones(), { times: 12, rng: rng(1) });
    expect(terms.map(({ t }) => t)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expectAllClose(
      terms.map(({ x0Error }) => x0Error),
      new Array(12).fill(0.5),
    );
  });

  it('does not depend on how the examples are batched', async () => {
    const labels = [0, 3, 1, 2, 0, 1];
    for (const options of [{}, { times: 12 }, { times: 5, decoder: erfDecoder }]) {
      const whole = await estimate([6], options, { labels });
      expect(whole.images).toBe(6);
      for (const sizes of [
        [2, 2, 2],
        [1, 5],
        [4, 1, 1],
      ]) {
        expectSame(await estimate(sizes, options, { labels }), whole);
      }
    }
  });

  it('tells the network each example’s condition', async () => {
    const without = await estimate([6]);
    expectSame(await estimate([6], {}, { labels: [0, 0, 0, 0, 0, 0] }), without);
    const one = await estimate([6], {}, { labels: [0, 3, 1, 2, 0, 1] });
    const other = await estimate([6], {}, { labels: [3, 0, 1, 2, 0, 1] });
    expect(Math.abs(one.bitsPerDim - without.bitsPerDim)).toBeGreaterThan(0.01);
    expect(Math.abs(other.bitsPerDim - one.bitsPerDim)).toBeGreaterThan(1e-3);
    // Each row has the label of its own: two examples of two labels are as the first of the one and the second of the other.
    const ofLabel = (labels: number[]) => estimate([2], { times: 12 }, { labels });
    const [low, high, mixed, swapped] = await Promise.all(
      [
        [2, 2],
        [5, 5],
        [2, 5],
        [5, 2],
      ].map(ofLabel),
    );
    expectAllClose(mixed!.bitsPerDim + swapped!.bitsPerDim, low!.bitsPerDim + high!.bitsPerDim);
    expect(Math.abs(mixed!.bitsPerDim - swapped!.bitsPerDim)).toBeGreaterThan(1e-3);
  });

  it('is the same from a network that answers later', async () => {
    const slow = {
      ...mixing,
      denoiser: later((xt, told) => mixing.denoiser(xt, told) as tf.Tensor),
    };
    expect(await estimate([2, 2], {}, { reverse: slow })).toEqual(await estimate([2, 2]));
    await expectNoLeak(async () => void (await estimate([2, 2], {}, { reverse: slow })));
  });

  it('evaluates an example that has one time less again, and does not count it', async () => {
    // At the last u before 1 the rounded sum of the probabilities may miss the last point of its grid.
    const last = 1 - 2 ** -53;
    const probabilities = inclusion(schedule, 12, 5);
    const [fewer, usual] = [systematic(probabilities, last), systematic(probabilities, 0.5)];
    expect([fewer.length, usual.length]).toEqual([4, 5]);
    const done: number[] = [];
    const both = await estimate([2], {
      times: 5,
      rng: choosing([last, 0.5]),
      onExamples: (count) => done.push(count),
    });
    expectAllClose(done, [0.4, 0.8, 1.2, 1.6, 2]);
    expect(both.terms.map(({ t }) => t)).toEqual([...new Set([...fewer, ...usual])].sort((a, b) => a - b));
    // L_0 once for each example: its mean over them is its mean where it was evaluated.
    expectAllClose(both.reconstruction, both.terms[0]!.bitsPerDim);
    const alone = await estimate([1], { times: 5, rng: choosing([last]) });
    expect(alone.terms.map(({ t }) => t)).toEqual(fewer);
    expectAllClose(alone.reconstruction, alone.terms[0]!.bitsPerDim);
  });

  it('counts the examples done, parts of them included', async () => {
    const done: number[] = [];
    await estimate([4, 2], { onExamples: (count) => done.push(count) });
    expect(done).toEqual([1, 2, 3, 4, 4.5, 5, 5.5, 6]);
  });

  it('stops before the next evaluation once aborted, with the reason, and leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const done: number[] = [];
    const running = estimate([4, 2], {
      signal: controller.signal,
      onExamples: (count) => {
        done.push(count);
        if (count > 4) controller.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow('enough');
    expect(done).toEqual([1, 2, 3, 4, 4.5]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves no tensor behind', async () => {
    await expectNoLeak(async () => void (await estimate([2, 1], {}, { labels: [1, 2, 3] })));
  });
});

describe('for data N(0, 1) and a process that is exact but for the variance of its last step', () => {
  beforeAll(() => useBackend('cpu'));

  const longer = linear({ steps: 60 });
  const data = exactGaussian({ mean: 0, deviation: 1 });
  const exact = reverseProcess({
    forward: gaussianDiffusion(longer),
    denoiser: data.denoiser(longer, epsilonPrediction),
    predicts: epsilonPrediction,
    variance: fixedLarge,
  });

  async function* batches() {
    for (const first of [0, 200]) {
      const x0 = rng(1).rows(first).normal([200, 8]);
      yield { x0 };
      x0.dispose();
    }
  }
  const from = (times: number): Promise<BoundEstimate> =>
    estimateBound(exact, batches(), { times, rng: rng(2) });

  it('a fifth of the terms agrees with the full sum within its standard error', async () => {
    const full = await from(60);
    const some = await from(12);
    expect(full.terms.length).toBe(60);
    expect(full.images).toBe(400);
    expect(full.prior + full.transitions + full.reconstruction).toBeCloseTo(full.bitsPerDim, 9);
    expect(sum(full.terms.map(({ bitsPerDim }) => bitsPerDim)) + full.prior).toBeCloseTo(full.bitsPerDim, 6);
    const error = Math.hypot(full.standardError, some.standardError);
    expect(Math.abs(some.bitsPerDim - full.bitsPerDim)).toBeLessThan(3 * error);
    expect(some.standardError).toBeLessThan(3 * full.standardError);
  });

  it('the bound is the entropy of the data and what the wrong variance of the last step costs', async () => {
    const { bitsPerDim, standardError } = await from(60);
    const ratio = longer.betas[0]! / between(longer.level(0), longer.level(1)).variance;
    const cost = (0.5 * (ratio - 1 - Math.log(ratio))) / Math.LN2;
    expect(Math.abs(bitsPerDim - data.entropy - cost)).toBeLessThan(3 * standardError);
    expect(standardError).toBeLessThan(0.04);
  });
});

describe('the estimate refuses', () => {
  beforeAll(() => useBackend('cpu'));

  it('a schedule of continuous time, before it asks for a batch', async () => {
    const endless = { ...mixing, forward: gaussianDiffusion(continuous((u) => 8 - 16 * u)) };
    const batches = (async function* () {
      yield expect.unreachable();
    })();
    await expect(estimateBound(endless, batches, { times: 4, rng: rng(2) })).rejects.toThrow(
      new RangeError('the bound is a sum over the steps of a schedule, and one of continuous time has none'),
    );
  });

  it('so few times that it would never look at most of the terms', async () => {
    for (const times of [1, 0, -3, 2.5, Number.NaN]) {
      await expect(estimate([1], { times })).rejects.toThrow(
        new RangeError(
          `times is ${times}, expected a whole number of at least 2: one is always that of the decoder`,
        ),
      );
    }
  });
});
