import { type ExactGaussian, exactGaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  fixedLarge,
  fixedSmall,
  type GaussianReverseProcess,
  learnedVariance,
  reverseProcess,
  type Variance,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  between,
  continuous,
  cosine,
  type DiscreteSchedule,
  fromBetas,
  linear,
  rescaleToZeroTerminalSnr,
} from '@diffusion-ts/schedules';
import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  type BoundTerms,
  priorBits,
  tanhDecoder,
  variationalBound,
  variationalBoundTerms,
} from '../src/index.js';
import { later } from './setting.js';

const data: ExactGaussian = exactGaussian({ mean: 0.3, deviation: 0.5 });

/** Data N(m, s²) with a reverse process whose means are exact. */
function exactReverse(schedule: DiscreteSchedule, variance: Variance): GaussianReverseProcess {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: data.denoiser(schedule, x0Prediction),
    predicts: x0Prediction,
    variance,
  });
}

/** The same with a network that says the exact variances too. */
function learnedReverse(schedule: DiscreteSchedule): GaussianReverseProcess {
  const exact = exactReverse(schedule, learnedVariance);
  return {
    ...exact,
    denoiser: (xt, told) => {
      const logs = Array.from(told.dataSync(), (t) => Math.log(data.reverseVariance(schedule, t, t - 1)));
      const raw = tf.broadcastTo(tf.tensor2d(logs, [logs.length, 1]), xt.shape);
      return tf.concat([exact.denoiser(xt, told) as tf.Tensor, raw], -1);
    },
  };
}

/** A process whose network mixes the two elements of an example. */
function mixing(schedule: DiscreteSchedule): GaussianReverseProcess {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, told) =>
      tf.add(
        tf.mul(xt, tf.tensor2d([[0.7, -0.4]])),
        tf.mul(tf.sin(tf.reverse(xt, 1)), tf.expandDims(tf.exp(tf.mul(told, -0.1)), 1)),
      ),
    predicts: vPrediction,
    variance: fixedLarge,
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
  const corners = async (reverse: GaussianReverseProcess): Promise<BoundTerms> => {
    const x0 = tf.tensor2d([0.8, 0.8, -0.2, -0.2], [4, 1]);
    const terms = variationalBoundTerms(reverse, x0, fixedNoise([1, -1, 1, -1]));
    return terms.finally(() => x0.dispose());
  };

  describe.each([
    ['linear', linear({ steps: 40 })],
    ['cosine', cosine({ steps: 40 })],
    ['zero terminal SNR', rescaleToZeroTerminalSnr(linear({ steps: 40 }))],
  ] as const)('for Gaussian data on a schedule of 40 steps: %s', (_, schedule) => {
    it('the exact reverse process has the exact bound, term by term, its variances known or learned', async () => {
      const exact = data.bound(schedule);
      const close = { relative: 1e-4, absolute: 1e-6 };
      for (const reverse of [exactReverse(schedule, data.variance), learnedReverse(schedule)]) {
        const terms = await corners(reverse);
        expectAllClose(mean(terms.prior), exact.prior, close);
        expectAllClose(terms.transitions.map(mean), exact.transitions, close);
        expectAllClose(mean(terms.reconstruction), exact.reconstruction, close);
        expectAllClose(mean(terms.bitsPerDim), exact.bitsPerDim, { relative: 1e-5, absolute: 1e-5 });
      }
    });

    it.each([
      ['fixedSmall', fixedSmall],
      ['fixedLarge', fixedLarge],
    ] as const)('with %s variance it has the longer one that follows', async (_, variance) => {
      const terms = await corners(exactReverse(schedule, variance));
      const exact = data.bound(schedule, variance);
      expectAllClose(terms.transitions.map(mean), exact.transitions, { relative: 1e-4, absolute: 2e-6 });
      expectAllClose(mean(terms.bitsPerDim), exact.bitsPerDim, { relative: 1e-5, absolute: 1e-5 });
      expect(exact.bitsPerDim).toBeGreaterThan(data.entropy + 1e-3);
    });
  });

  it('the exact bound is the entropy of the data and what the prior costs', async () => {
    const schedule = cosine({ steps: 30 });
    const { prior, bitsPerDim } = await corners(exactReverse(schedule, data.variance));
    expectAllClose(mean(bitsPerDim), data.entropy + mean(prior), { relative: 1e-5 });
  });

  it('over samples and noise it averages to the bound, within five standard errors', async () => {
    const schedule = cosine({ steps: 20 });
    const x0 = data.sample(rng(7), [2000, 8]);
    const { bitsPerDim } = await variationalBoundTerms(learnedReverse(schedule), x0, rng(8));
    const average = mean(bitsPerDim);
    const error = Math.sqrt(mean(bitsPerDim.map((bits) => (bits - average) ** 2)) / bitsPerDim.length);
    expect(error).toBeLessThan(0.02);
    expect(Math.abs(average - data.bound(schedule).bitsPerDim)).toBeLessThan(5 * error);
  });

  it('adds up to bits per dimension', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const x0 = rng(1).normal([3, 2]);
    const { prior, transitions, reconstruction, bitsPerDim } = await variationalBoundTerms(
      reverse,
      x0,
      rng(2),
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

  it('has the terms of the loss at each time, made with rng.fork(t), and what the prior costs', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const x0 = tf.clipByValue(rng(1).normal([3, 2]), -1, 1);
    const terms = await variationalBoundTerms(reverse, x0, rng(2), { decoder: tanhDecoder });
    const loss = variationalBound({ decoder: tanhDecoder });
    for (const t of [0, 1, 7, 24]) {
      const noise = rng(2).fork(t).normal([3, 2]);
      const expected = loss({ reverse, x0, t, noise }).perExample.dataSync();
      expect([...(t === 0 ? terms.reconstruction : terms.transitions[t - 1]!)]).toEqual([...expected]);
    }
    expect([...terms.prior]).toEqual([...priorBits(reverse.forward, x0).dataSync()]);
  });

  it('the prior costs ½ (α² x_0² + σ² − 1 − ln σ²) nats, σ and α those of the last step', async () => {
    const { forward } = mixing(fromBetas([0.1, 0.6]));
    const { alpha, sigma } = forward.schedule.level(1);
    const of = (x: number) => 0.5 * (alpha ** 2 * x ** 2 + sigma ** 2 - 1 - Math.log(sigma ** 2));
    expectAllClose(
      priorBits(
        forward,
        tf.tensor2d([
          [0, 2],
          [-1, 0.5],
        ]),
      ),
      [(of(0) + of(2)) / 2 / Math.LN2, (of(1) + of(0.5)) / 2 / Math.LN2],
    );
  });

  it('of a single step there is no transition', async () => {
    const schedule = fromBetas([0.3]);
    const x0 = tf.tensor2d([[0.4], [-1]]);
    const { transitions, reconstruction, prior, bitsPerDim } = await variationalBoundTerms(
      exactReverse(schedule, fixedLarge),
      x0,
      fixedNoise([0, 0]),
    );
    expect(transitions).toEqual([]);
    const { ofX0, ofXt } = between(schedule.level(-1), schedule.level(0));
    expect([ofX0, ofXt]).toEqual([1, 0]);
    // μ_θ = x̂_0 = m + (α s²/Var[x_t]) (x_t − α m) at x_t = α x_0, α² = 0.7, and σ² = β = 0.3.
    const expected = [0.4, -1].map((x) => {
      const shrink = (0.7 * 0.25) / (0.7 * 0.25 + 0.3);
      const predicted = 0.3 + shrink * (x - 0.3);
      return 0.5 * Math.log2(2 * Math.PI * 0.3) + (x - predicted) ** 2 / 0.6 / Math.LN2;
    });
    expectAllClose(reconstruction, expected);
    expectAllClose(bitsPerDim, [prior[0]! + expected[0]!, prior[1]! + expected[1]!]);
  });

  it('gives an example the same terms whatever else is in its batch', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const x0 = rng(1).normal([5, 2]);
    const all = await variationalBoundTerms(reverse, x0, rng(2));
    const tail = await variationalBoundTerms(reverse, tf.slice(x0, 3), rng(2).rows(3));
    const head = await variationalBoundTerms(reverse, tf.slice(x0, 0, 3), rng(2));
    expectAllClose([...head.bitsPerDim, ...tail.bitsPerDim], all.bitsPerDim, { relative: 1e-6 });
  });

  it('gives the same terms when asked again: the rng is left where it is', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const x0 = rng(1).normal([2, 2]);
    const source = rng(2);
    const first = await variationalBoundTerms(reverse, x0, source);
    expect(await variationalBoundTerms(reverse, x0, source)).toEqual(first);
  });

  it('has the same terms from a network that answers later', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const { denoiser } = reverse;
    const slow = { ...reverse, denoiser: later((xt, told) => denoiser(xt, told) as tf.Tensor) };
    const x0 = rng(1).normal([2, 2]);
    expect(await variationalBoundTerms(slow, x0, rng(2))).toEqual(
      await variationalBoundTerms(reverse, x0, rng(2)),
    );
    await expectNoLeak(() => variationalBoundTerms(slow, x0, rng(2)));
  });

  it('passes on what a network that answers later says of its failure, and leaves nothing behind', async () => {
    const reverse = mixing(linear({ steps: 25 }));
    const x0 = rng(1).normal([2, 2]);
    const before = tf.memory().numTensors;
    const failing = {
      ...reverse,
      denoiser: later(() => {
        throw new Error('the session is gone');
      }),
    };
    await expect(variationalBoundTerms(failing, x0, rng(2))).rejects.toThrow('the session is gone');
    const wrong = { ...reverse, denoiser: later((xt) => tf.concat([xt, xt])) };
    await expect(variationalBoundTerms(wrong, x0, rng(2))).rejects.toThrow(RangeError);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('tells each term as it comes, from the noise to the data', async () => {
    const reverse = mixing(linear({ steps: 25 }));
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
    const reverse = mixing(linear({ steps: 25 }));
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
    await expect(variationalBoundTerms(reverse, x0, rng(2), { signal: controller.signal })).rejects.toThrow(
      'enough',
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses a schedule of continuous time before it asks the network', async () => {
    const reverse = reverseProcess({
      forward: gaussianDiffusion(continuous((u) => 8 - 16 * u)),
      denoiser: () => expect.unreachable(),
      predicts: vPrediction,
      variance: fixedSmall,
    });
    const x0 = tf.ones([1, 2]);
    const before = tf.memory().numTensors;
    await expect(variationalBoundTerms(reverse, x0, rng(2))).rejects.toThrow(
      new RangeError('the bound is a sum over the steps of a schedule, and one of continuous time has none'),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('hands the condition to the network at every term', async () => {
    const label = tf.tensor1d([3], 'int32');
    let asked = 0;
    const reverse = reverseProcess({
      forward: gaussianDiffusion(linear({ steps: 25 })),
      denoiser: (xt, _, condition) => {
        asked += 1;
        expect(condition?.label).toBe(label);
        return tf.clone(xt);
      },
      predicts: vPrediction,
      variance: fixedSmall,
    });
    await variationalBoundTerms(reverse, tf.ones([1, 2]), rng(2), { condition: { label } });
    expect(asked).toBe(25);
  });

  it('leaves no tensor behind', async () => {
    const reverse = learnedReverse(linear({ steps: 25 }));
    const [x0, source] = [tf.ones([2, 2]), rng(2)];
    await expectNoLeak(() => variationalBoundTerms(reverse, x0, source));
    await expectNoLeak(() => variationalBoundTerms(reverse, x0, source, { decoder: tanhDecoder }));
  });
});
