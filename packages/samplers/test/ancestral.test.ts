import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type ReverseProcess, reverseProcess, type Variance } from '@diffusion-ts/reverse-process';
import { linear, type NoiseSchedule, rescaleToZeroTerminalSnr, respace } from '@diffusion-ts/schedules';
import { lookup, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ancestral } from '../src/ancestral.js';
import { exact, exactDenoiser, exactProcess, exactVariance, finish, variance } from './gaussian-data.js';

const s2 = 0.25;
const shape = [500, 16] as const;
// The variance of n normals is known to √(2/n): four standard deviations of it, and the seed is fixed.
const tolerance = 4 * Math.sqrt(2 / (shape[0] * shape[1]));

/** Var x_t for every index from T − 1 down, and then Var x_0: V ← k² V + σ², k the factor of x_t in the exact mean. */
function variances(schedule: NoiseSchedule, sigma2: (t: number) => number): number[] {
  const result = [1];
  for (let t = schedule.steps - 1; t >= 0; t--) {
    const { x0OfXt } = exact(schedule.alphaBars[t]!, s2);
    const k = schedule.posteriorMeanCoefX0[t]! * x0OfXt + schedule.posteriorMeanCoefXt[t]!;
    result.push(k ** 2 * result.at(-1)! + (t === 0 ? 0 : sigma2(t)));
  }
  return result;
}

/** A process whose network also says the exact ln σ²: the exact reverse process of the data. */
function exactLearned(schedule: NoiseSchedule, kept: NoiseSchedule = schedule): ReverseProcess {
  const denoiser = exactDenoiser(schedule, s2, 'epsilon');
  const logVariances = Array.from(kept.betas, (_, t) => Math.log(exactVariance(kept, t, s2)));
  const byTimestep: number[] = [];
  for (const [i, timestep] of kept.timesteps.entries()) byTimestep[timestep] = logVariances[i]!;
  const table = Array.from(byTimestep, (value) => value ?? 0);
  return reverseProcess({
    forward: gaussianDiffusion(kept),
    denoiser: (xt, t) =>
      tf.concat([denoiser(xt, t), tf.add(tf.zerosLike(xt), lookup(table, t, xt.rank))], -1),
    predicts: 'epsilon',
    variance: 'learned',
  });
}

describe('in float64', () => {
  test('the exact denoiser with the exact variance has the marginal variance of q at every step', () => {
    const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
    const steps = variances(schedule, (t) => exactVariance(schedule, t, s2));
    // It starts from N(0, 1) instead of q(x_T): the difference has a factor ᾱ_T.
    steps.slice(0, -1).forEach((value, i) => {
      const { marginal } = exact(schedule.alphaBars[schedule.steps - 1 - i]!, s2);
      expect(Math.abs(value - marginal)).toBeLessThan(schedule.alphaBars.at(-1)! * 1.0001);
    });
  });

  test('fixedSmall ends below the variance of the data, fixedLarge above it, and both close in as 1/T', () => {
    const errors = [1600, 3200].map((steps) => {
      const schedule = linear({ steps });
      const small = variances(schedule, (t) => schedule.posteriorVariance[t]!).at(-1)!;
      const large = variances(schedule, (t) => schedule.betas[t]!).at(-1)!;
      return { small: s2 - small, large: large - s2 };
    });
    expect(errors[0]!.small).toBeGreaterThan(0);
    expect(errors[0]!.large).toBeGreaterThan(0);
    expect(Math.log2(errors[0]!.small / errors[1]!.small)).toBeCloseTo(1, 1);
    expect(Math.log2(errors[0]!.large / errors[1]!.large)).toBeCloseTo(1, 1);
  });
});

onEachBackend(() => {
  const schedule = linear({ steps: 30, start: 1e-3, end: 0.4 });

  for (const kind of ['fixedSmall', 'fixedLarge', 'learned'] as const satisfies Variance[]) {
    test(`with ${kind} variances the samples of every step have the variance that the recursion says`, async () => {
      const reverse =
        kind === 'learned' ? exactLearned(schedule) : exactProcess(schedule, s2, 'epsilon', kind);
      const expected = variances(schedule, (t) => {
        if (kind === 'fixedSmall') return schedule.posteriorVariance[t]!;
        return kind === 'fixedLarge' ? schedule.betas[t]! : exactVariance(schedule, t, s2);
      });
      const source = rng(11);
      const xT = source.normal(shape);
      const run = ancestral()(reverse, xT, { rng: source });
      for (let index = 0; ; index++) {
        const step = await run.next();
        expectAllClose(variance(step.done ? step.value : step.value.xt), expected[index]!, {
          relative: tolerance,
        });
        if (!step.done) continue;
        expect(index).toBe(schedule.steps);
        tf.dispose([step.value, xT]);
        break;
      }
    });
  }

  test('in seven of its thirty steps the exact reverse process still gives the variance of the data', async () => {
    const kept = respace(schedule, 7);
    const expected = variances(kept, (t) => exactVariance(kept, t, s2)).at(-1)!;
    const source = rng(12);
    const xT = source.normal(shape);
    const x0 = await finish(ancestral()(exactLearned(schedule, kept), xT, { rng: source }));
    expectAllClose(variance(x0), expected, { relative: tolerance });
    tf.dispose([xT, x0]);
  });

  test('steps respaces the schedule: the network is told the kept timesteps, largest first', async () => {
    const told: number[] = [];
    const exactNetwork = exactDenoiser(schedule, s2, 'epsilon');
    const reverse = reverseProcess({
      ...exactProcess(schedule, s2, 'epsilon'),
      denoiser: (xt, t) => {
        told.push(...t.dataSync());
        return exactNetwork(xt, t);
      },
    });
    const xT = tf.ones([1, 3]);
    const shown: number[] = [];
    const run = ancestral({ steps: 5 })(reverse, xT, { rng: rng(1) });
    for await (const step of run) {
      shown.push(step.t);
      expect([step.index, step.total]).toEqual([shown.length - 1, 5]);
    }
    expect(told).toEqual(Array.from(respace(schedule, 5).timesteps).toReversed());
    expect(shown).toEqual(told);
    expect(told[0]).toBe(29);
    xT.dispose();
  });

  test('one step goes from the noise to the prediction of x_0', async () => {
    const reverse = exactProcess(schedule, s2, 'v');
    const xT = tf.tensor2d([[1, -2, 0.5]]);
    const x0 = await finish(ancestral({ steps: 1 })(reverse, xT, { rng: rng(1) }));
    const { x0OfXt } = exact(schedule.alphaBars[29]!, s2);
    expectAllClose(x0, [x0OfXt, -2 * x0OfXt, 0.5 * x0OfXt]);
    tf.dispose([xT, x0]);
  });

  test('the last step adds no noise: what comes out is the prediction of x_0 shown last', async () => {
    const xT = tf.ones([2, 3]);
    const run = ancestral()(exactProcess(schedule, s2, 'v'), xT, { rng: rng(3) });
    let last: number[] = [];
    for (;;) {
      const { done, value } = await run.next();
      if (!done) {
        last = Array.from(value.x0.dataSync());
        continue;
      }
      expectAllClose(value, last);
      tf.dispose([value, xT]);
      break;
    }
  });

  test('sample i is the same in a batch of four and in two batches of two', async () => {
    const reverse = exactProcess(schedule, s2, 'epsilon');
    const draw = async (first: number, count: number): Promise<Float32Array> => {
      const source = rng(5).rows(first);
      const xT = source.normal([count, 6]);
      const x0 = await finish(ancestral()(reverse, xT, { rng: source }));
      const values = x0.dataSync() as Float32Array;
      tf.dispose([xT, x0]);
      return values;
    };
    const together = await draw(0, 4);
    expect(Array.from(together)).toEqual([...(await draw(0, 2)), ...(await draw(2, 2))]);
  });

  test('a clipped process never shows an x_0 outside its range, and ends inside it', async () => {
    const reverse = reverseProcess({ ...exactProcess(schedule, s2, 'epsilon'), clip: [-0.3, 0.3] });
    const source = rng(8);
    const xT = source.normal([64, 4]);
    const run = ancestral()(reverse, xT, { rng: source });
    let largest = 0;
    for (;;) {
      const { done, value } = await run.next();
      largest = Math.max(
        largest,
        tf.tidy(() => tf.max(tf.abs(done ? value : value.x0)).dataSync()[0]!),
      );
      if (!done) continue;
      tf.dispose([value, xT]);
      break;
    }
    expect(largest).toBeCloseTo(0.3, 5);
  });

  test('a schedule of zero terminal SNR is sampled with a network that predicts v', async () => {
    const zeroSnr = rescaleToZeroTerminalSnr(schedule);
    const expected = variances(zeroSnr, (t) => zeroSnr.posteriorVariance[t]!).at(-1)!;
    const source = rng(9);
    const xT = source.normal(shape);
    const x0 = await finish(ancestral()(exactProcess(zeroSnr, s2, 'v'), xT, { rng: source }));
    expectAllClose(variance(x0), expected, { relative: tolerance });
    tf.dispose([xT, x0]);
  });

  test('a finished run leaves nothing behind but what it returned', async () => {
    const reverse = exactProcess(schedule, s2, 'epsilon');
    await expectNoLeak(async () => {
      const xT = tf.ones([2, 3]);
      return [xT, await finish(ancestral({ steps: 4 })(reverse, xT, { rng: rng(1) }))];
    });
  });
});

test('steps that the network was not trained on are refused where its output depends on them', () => {
  const schedule = linear({ steps: 30 });
  const start = (reverse: ReverseProcess): unknown =>
    ancestral({ steps: 5 })(reverse, {} as tf.Tensor, { rng: rng(1) });
  expect(() => start(exactProcess(schedule, s2, 'previous'))).toThrow(/previous mean/);
  expect(() => start(exactProcess(schedule, s2, 'epsilon', 'learned'))).toThrow(/'learned' variances/);
  expect(() =>
    ancestral({ steps: 31 })(exactProcess(schedule, s2, 'epsilon'), {} as tf.Tensor, { rng: rng(1) }),
  ).toThrow(RangeError);
});
