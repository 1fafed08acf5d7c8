import {
  type ForwardProcess,
  type Gaussian,
  gaussian,
  gaussianDiffusion,
  latent,
} from '@diffusion-ts/forward-process';
import {
  type Evaluation,
  edmPrediction,
  flowPrediction,
  type Prediction,
  previousMeanPrediction,
  type ReverseProcess,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  cosine,
  every,
  karras,
  linear,
  linspace,
  logSnrSpaced,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  startingAt,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { type Denoiser, finish, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import type { Sampler } from '../src/index.js';
import { type Batch, distance, moments, product, sum, toBatch, toTensor } from './batch.js';
import { component, FACTORS, NOISE, rotated, SHAPE, skewed } from './mixing-data.js';
import { end, levelsOf, record } from './running.js';

/** A sampler to be held to what all of them promise. */
export interface Subject {
  readonly name: string;
  /** The sampler with these times. */
  readonly make: (times: Times) => Sampler;
  /** Whether it draws noise. */
  readonly draws?: boolean;
  /** How far from the flow's end it may be after 60 steps; of one that draws, how wrong its variances, in parts of the data's. */
  readonly error: number;
  /** Which evaluation of the network is the first of the third step; default the third. */
  readonly thirdStep?: number;
}

const zeroSnr = rescaleToZeroTerminalSnr(cosine({ steps: 100 }));
const schedule = linear({ steps: 20, start: 1e-3, end: 0.5 });
const shape = [...SHAPE];
const conditioned = (factors: readonly number[] = FACTORS): { factor: tf.Tensor1D } => ({
  factor: tf.tensor1d([...factors]),
});

/** Where sampling starts, and with what: pure noise, or all the noise that there is. */
const ENDS: readonly (readonly [string, NoiseSchedule, Prediction, Times])[] = [
  ['zero terminal SNR', zeroSnr, vPrediction, trailing(60)],
  [
    'a cosine in continuous time',
    continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))),
    vPrediction,
    logSnrSpaced(60),
  ],
  ['variance exploding to σ = 80', varianceExploding(), edmPrediction(), karras({ steps: 60 })],
  ['the straight path from pure noise', rectified(), flowPrediction, logSnrSpaced(60)],
];

/** Lists of times on which nobody trained. */
const LISTS: readonly (readonly [string, Times])[] = [
  ['every step', every()],
  ['the last of seven parts', trailing(7)],
  ['levels of Karras', karras({ steps: 6 })],
  ['times between the whole ones', times([18.5, 10.25, 4, 1.75])],
  ['steps from the middle on', startingAt(11, linspace(6))],
];

const source = (): { rng: Rng } => ({ rng: rng(7) });

/** Declares the tests of its numbers that a sampler must pass, on the active backend. */
export function computes({ name, make, draws = false, error }: Subject): void {
  describe(name, () => {
    for (const [where, schedule, predicts, list] of draws ? [] : ENDS) {
      test(`on ${where}, exact data end where the flow takes the noise`, async () => {
        const { sigma } = schedule.level(schedule.end);
        const xT = sum([sigma, NOISE]);
        const reached = await end(make(list), skewed.process(schedule, predicts), xT);
        const expected = skewed.flow(
          xT,
          schedule.level(schedule.end),
          schedule.level(schedule.start),
          FACTORS,
        );
        expect(distance(reached, expected)).toBeLessThan(error);
      });
    }

    for (const [which, list] of LISTS) {
      test(`processes that are nobody's but the user's give the same numbers as ours on ${which}`, async () => {
        const reverse = skewed.process(schedule, vPrediction);
        const expected = await record(make(list), reverse, NOISE, source());
        const own = await record(make(list), ownProcess(), NOISE, source());
        for (const part of ['x', 'x0'] as const)
          expectAllClose(own[part].flat(2), expected[part].flat(2), { relative: 1e-4, absolute: 2e-5 });
        expectAllClose(own.end.flat(), expected.end.flat(), { relative: 1e-4, absolute: 2e-5 });
      });
    }
  });
}

/** Declares the tests that hold on one backend if on any. */
export function behaves({ name, make, draws = false, error, thirdStep = 3 }: Subject): void {
  describe(name, () => {
    for (const [where, schedule, predicts, list] of draws ? ENDS : []) {
      test(`on ${where}, exact data end as the data are spread`, async () => {
        const count = 1000;
        const factor = 0.7;
        const condition = conditioned(new Array<number>(count).fill(factor));
        const reverse = rotated.process(schedule, predicts);
        const xT = latent(reverse.forward, rng(1), [count, ...shape]);
        const x0 = await finish(make(list)(reverse, xT, { condition, rng: rng(2) }));
        const { mean, covariance } = moments(product(toBatch(x0), rotated.toY));
        mean.forEach((value, k) => {
          const data = component(factor, k);
          expect(Math.abs(value - data.mean)).toBeLessThan(
            error / 10 + (4 * data.deviation) / Math.sqrt(count),
          );
          covariance[k]!.forEach((value, j) => {
            const expected = j === k ? data.deviation ** 2 : 0;
            const scale = data.deviation * component(factor, j).deviation;
            const standardError = scale * Math.sqrt((j === k ? 2 : 1) / count);
            expect(Math.abs(value - expected)).toBeLessThan(error * expected + 4 * standardError);
          });
        });
        tf.dispose([x0, xT, condition.factor]);
      });
    }

    test('example i is the same in a batch of three and in batches of one and two', async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const draw = (first: number, count: number): Promise<Batch> =>
        end(make(trailing(9)), reverse, NOISE.slice(first, first + count), {
          factors: FACTORS.slice(first, first + count),
          rng: rng(5).rows(first),
        });
      expect([...(await draw(0, 1)), ...(await draw(1, 2))]).toEqual(await draw(0, 3));
    });

    for (const [which, list] of LISTS) {
      test(`a reverse process that puts known elements back keeps doing so on ${which}`, async () => {
        const reverse = skewed.process(schedule, vPrediction);
        const wrapped = { ...reverse, evaluate: withKnown(reverse.evaluate.bind(reverse), reverse.forward) };
        const shown = await record(make(list), wrapped, NOISE, source());
        expect(shown.from.map(({ t }) => t)).toEqual(Array.from(list(schedule).slice(0, -1)));
        for (const batch of [...shown.x0, shown.end]) for (const row of batch) expectKnown(row);
      });
    }

    test('the process is asked whether it can take the steps, and refuses at the call', () => {
      const checkTimes = vi.fn(() => {
        throw new RangeError('not these');
      });
      const refusing = { ...skewed.process(schedule, vPrediction), checkTimes };
      expect(() => make(trailing(3))(refusing, tf.scalar(0), source())).toThrow('not these');
      expect(checkTimes.mock.calls).toEqual([[Float64Array.of(19, 12, 6, -1)]]);
    });

    test('a network that predicts the previous mean takes the steps it was trained on, and no others', async () => {
      const previous = skewed.process(schedule, previousMeanPrediction);
      const expected = await end(make(every()), skewed.process(schedule, vPrediction), NOISE, source());
      const reached = await end(make(every()), previous, NOISE, source());
      expectAllClose(reached.flat(), expected.flat(), { relative: 1e-3, absolute: 1e-3 });
      expect(() => make(trailing(5))(previous, tf.scalar(0), source())).toThrow(/previous mean/);
    });

    test('a network that answers later gives the same numbers, and leaves nothing behind', async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const later = { ...reverse, denoiser: eventually(reverse.denoiser) };
      const list = trailing(5);
      expect(await record(make(list), later, NOISE, source())).toEqual(
        await record(make(list), reverse, NOISE, source()),
      );
      await expectNoLeak(() => end(make(list), later, NOISE, source()));
    });

    test('when a network fails, at once or later, the generator fails with its error and nothing is left', async () => {
      const reverse = skewed.process(schedule, vPrediction);
      for (const wrap of [atOnce, eventually]) {
        let calls = 0;
        const failing = wrap((...asked) => {
          calls += 1;
          if (calls > 3) throw new Error('the server is gone');
          return reverse.denoiser(...asked);
        });
        const start = toTensor(NOISE, shape);
        const condition = conditioned();
        const before = tf.memory().numTensors;
        const process = { ...reverse, denoiser: failing };
        const run = make(trailing(8))(process, start, { condition, ...source() });
        await expect(finish(run)).rejects.toThrow('the server is gone');
        expect(tf.memory().numTensors).toBe(before);
        tf.dispose([start, condition.factor]);
      }
    });

    for (const wrap of [atOnce, eventually]) {
      const which = wrap === eventually ? 'that answers later' : 'that answers at once';

      test(`with a network ${which}, aborting throws the reason between two steps and frees everything`, async () => {
        const reverse = skewed.process(schedule, vPrediction);
        const start = toTensor(NOISE, shape);
        const condition = conditioned();
        const before = tf.memory().numTensors;
        const controller = new AbortController();
        const reason = new Error('enough');
        let asked = 0;
        const denoiser = wrap((...question) => {
          asked += 1;
          // While the third step is under way, so that it is still finished and shown.
          if (asked === thirdStep) controller.abort(reason);
          return reverse.denoiser(...question);
        });
        const process = { ...reverse, denoiser };
        const { signal } = controller;
        const run = make(trailing(8))(process, start, { condition, signal, ...source() });
        const indices: number[] = [];
        await expect(finish(run, ({ index }) => indices.push(index))).rejects.toBe(reason);
        expect(indices).toEqual([0, 1, 2]);
        expect(tf.memory().numTensors).toBe(before);
        tf.dispose([start, condition.factor]);
      });

      test(`with a network ${which}, leaving early frees everything`, async () => {
        const reverse = skewed.process(schedule, vPrediction);
        const start = toTensor(NOISE, shape);
        const condition = conditioned();
        const before = tf.memory().numTensors;
        const process = { ...reverse, denoiser: wrap(reverse.denoiser) };
        for await (const { index } of make(trailing(8))(process, start, { condition, ...source() }))
          if (index === 4) break;
        expect(tf.memory().numTensors).toBe(before);
        tf.dispose([start, condition.factor]);
      });
    }

    test('a signal that was aborted before the start prevents the first evaluation', async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const process = { ...reverse, denoiser: vi.fn(reverse.denoiser) };
      const signal = AbortSignal.abort(new Error('no'));
      const start = toTensor(NOISE, shape);
      const run = make(every())(process, start, { signal, ...source() });
      await expect(run.next()).rejects.toThrow('no');
      expect(process.denoiser).not.toHaveBeenCalled();
      start.dispose();
    });

    test('a finished run leaves nothing behind but what it returned', () =>
      expectNoLeak(async () => {
        const start = toTensor(NOISE, shape);
        const condition = conditioned();
        const run = make(trailing(4))(skewed.process(schedule, vPrediction), start, {
          condition,
          ...source(),
        });
        return [start, condition.factor, await finish(run)];
      }));

    test('a step shows where it starts from and goes to, the sample and what the network sees in it', async () => {
      const list = times([16.5, 10, 3]);
      const start = toTensor(NOISE, shape);
      const condition = conditioned();
      const levels = levelsOf(list, schedule);
      const run = make(list)(skewed.process(schedule, vPrediction), start, { condition, ...source() });
      const shown: { x: tf.Tensor; x0: tf.Tensor }[] = [];
      let next = await run.next();
      for (; !next.done; next = await run.next()) {
        const { from, to, x, x0, index, total } = next.value;
        expect([from, to, index, total]).toEqual([levels[index], levels[index + 1], shown.length, 3]);
        const before = toBatch(x);
        if (index === 0) expect(before).toEqual(toBatch(start));
        expectAllClose(x0, skewed.x0(before, from, FACTORS).flat(), { relative: 1e-4, absolute: 1e-5 });
        shown.push({ x, x0 });
      }
      expect(shown.flatMap(({ x, x0 }) => [x.isDisposed, x0.isDisposed])).not.toContain(false);
      expect(start.isDisposed, 'the start remains').toBe(false);
      tf.dispose([next.value, start, condition.factor]);
    });

    test(draws ? 'without an rng it refuses at the call' : 'it draws nothing, and needs no rng', async () => {
      const reverse = skewed.process(schedule, vPrediction);
      if (draws) {
        expect(() => make(trailing(3))(reverse, tf.scalar(0))).toThrow(TypeError);
        expect(() => make(trailing(3))(reverse, tf.scalar(0))).toThrow(/options\.rng is missing/);
      } else {
        const poisoned = { rng: new Proxy(rng(1), { get: () => expect.fail('it drew') }) };
        expect(await end(make(trailing(3)), reverse, NOISE, poisoned)).toEqual(
          await end(make(trailing(3)), reverse, NOISE),
        );
      }
    });

    for (const [what, list, message] of [
      ['rise', [-1, 10, 19], /must fall from the noise to the data, but 10 comes after -1/],
      ['stand still', [19, 10, 10, -1], /must fall/],
      ['are not numbers', [19, Number.NaN, -1], /must fall/],
      ['do not end at the data', [19, 10, 0], /must end at the data, -1, not at 0/],
      ['are the data alone', [-1], /at least two times/],
      ['are none', [], /at least two times/],
      ['the schedule does not have', [20, 10, -1], /t is 20, expected a time of the schedule, -1 … 19/],
    ] as const) {
      test(`times that ${what} are refused at the call`, () => {
        const reverse = skewed.process(schedule, vPrediction);
        const start = (): unknown => make(() => Float64Array.from(list))(reverse, tf.scalar(0), source());
        expect(start).toThrow(RangeError);
        expect(start).toThrow(message);
      });
    }
  });
}

/** A network that hands over its work, and answers after a while. */
export function eventually(denoiser: Denoiser): Denoiser {
  return async (...question) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return denoiser(...question);
  };
}

const atOnce = (denoiser: Denoiser): Denoiser => denoiser;

// Known are the first element of an example and the last.
const KNOWN = [0.25, Number.NaN, Number.NaN, -0.75];

function expectKnown(row: readonly number[]): void {
  expectAllClose([row[0]!, row[3]!], [0.25, -0.75], { relative: 5e-6 });
  expect(Math.abs(row[1]! - 0.25)).toBeGreaterThan(1e-3);
}

/** An evaluation by which the known elements are what they are. */
function withKnown(
  evaluate: ReverseProcess['evaluate'],
  forward: ForwardProcess,
): (...args: Parameters<ReverseProcess['evaluate']>) => Promise<Evaluation> {
  const known = (x0: tf.Tensor): tf.Tensor =>
    tf.tidy(() => {
      const rows = tf.broadcastTo(
        tf.tensor(
          KNOWN.map((x) => x || 0),
          [1, ...shape],
        ),
        x0.shape,
      );
      const mask = tf.broadcastTo(
        tf.tensor(
          KNOWN.map((x) => !Number.isNaN(x)),
          [1, ...shape],
          'bool',
        ),
        x0.shape,
      );
      return tf.where(mask, rows, x0);
    });
  return async (xt, t, condition) => {
    const seen = await evaluate(xt, t, condition);
    const x0 = (): tf.Tensor => tf.tidy(() => known(seen.x0()));
    return {
      x0,
      to: (s) => tf.tidy(() => forward.posterior(x0(), xt, t, s) as Gaussian & tf.NamedTensorMap),
      dispose: () => seen.dispose(),
    };
  };
}

/** The processes of `skewed` on `schedule` with small variances, written down anew and in the fewest words. */
function ownProcess(): ReverseProcess {
  const levels = (t: number): ReturnType<NoiseSchedule['level']> => schedule.level(t);
  const { denoiser } = skewed.process(schedule, vPrediction);
  const forward: ForwardProcess = {
    ...gaussianDiffusion(schedule),
    posterior(x0, xt, t, s) {
      if (typeof t !== 'number' || typeof s !== 'number') throw new TypeError('one time for all');
      const [from, to] = [levels(t), levels(s)];
      // Bayes: the precisions of x_s given x_0, and given x_t, add up.
      const step = from.alpha / to.alpha;
      const noise = from.sigma ** 2 - (step * to.sigma) ** 2;
      const variance = 1 / (step ** 2 / noise + to.sigma ** -2);
      const ofX0 = to.sigma === 0 ? 1 : (variance * to.alpha) / to.sigma ** 2;
      const ofXt = (variance * step) / noise;
      const mean = tf.add(tf.mul(ofX0, x0), tf.mul(ofXt, xt));
      return gaussian({ mean, logVariance: Math.log(variance) });
    },
  };
  return {
    forward,
    evaluate(xt, t, condition) {
      const { alpha, sigma } = levels(t as number);
      const v = denoiser(xt, tf.fill([xt.shape[0]!], t as number), condition) as tf.Tensor;
      const x0 = (): tf.Tensor => tf.sub(tf.mul(alpha, xt), tf.mul(sigma, v));
      return { x0, to: (s) => forward.posterior(x0(), xt, t, s), dispose: () => v.dispose() };
    },
  };
}
