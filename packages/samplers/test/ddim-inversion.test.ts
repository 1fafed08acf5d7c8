import {
  edmPrediction,
  epsilonPrediction,
  flowPrediction,
  type Prediction,
  previousMeanPrediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  every,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { finish } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Batch, distance, sum, toTensor } from '../src/conformance/batch.js';
import { eventually } from '../src/conformance/eventually.js';
import { FACTORS, NOISE, SHAPE, skewed } from '../src/conformance/mixing-data.js';
import { ddim } from '../src/ddim.js';
import { ddimInversion } from '../src/ddim-inversion.js';
import { end, expectSteps, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
const zeroSnr = rescaleToZeroTerminalSnr(schedule);
const DATA: Batch = NOISE.map((row, i) => row.map((x) => (x * FACTORS[i]!) / 2));

/** Eq. 12 of Song et al. 2021 solved for the noisier x_t, with ε̂(x_s, t): the network is told t of x_s. */
function inverted(
  x: Batch,
  s: NoiseLevel,
  t: NoiseLevel,
  seenAt = t,
  clip = Number.POSITIVE_INFINITY,
): number[][] {
  const x0 = skewed.x0(x, seenAt, FACTORS).map((row) => row.map((y) => Math.min(Math.max(y, -clip), clip)));
  const epsilon = sum([1 / seenAt.sigma, x], [-seenAt.alpha / seenAt.sigma, x0]);
  const ratio = t.alpha / s.alpha;
  return sum([ratio, x], [t.sigma - ratio * s.sigma, epsilon]);
}

const CASES: readonly (readonly [string, NoiseSchedule, Prediction, Times])[] = [
  ['one step of ε', schedule, epsilonPrediction, trailing(1)],
  ['two steps of x_0', schedule, x0Prediction, times([39, 17.5])],
  ['two steps of v', zeroSnr, vPrediction, trailing(2)],
  ['steps of variance exploding', varianceExploding(), edmPrediction(), times([80, 11, 1.5, 0.2])],
  ['steps of the straight path', rectified(), flowPrediction, times([1, 0.7, 0.25])],
  [
    'every step of the previous mean',
    linear({ steps: 10, start: 1e-3, end: 0.7 }),
    previousMeanPrediction,
    every(),
  ],
];

onEachBackend(() => {
  for (const [name, schedule, predicts, list] of CASES) {
    test(`${name} end where ε̂(x_s, t) takes them, and nowhere near ε̂(x_s, s)`, async () => {
      const run = await record(ddimInversion({ times: list }), skewed.process(schedule, predicts), DATA);
      expect(run.to.map(({ t }) => t)).toEqual(Array.from(list(schedule)).toReversed().slice(1));
      const previous = predicts === previousMeanPrediction;
      expectSteps(
        run,
        ({ x, from, to }) => {
          const expected = inverted(x, from, to);
          if (from.sigma > 0 && !previous) {
            expect(distance(inverted(x, from, to, from), expected)).toBeGreaterThan(0.03);
          }
          return expected;
        },
        { absolute: previous ? 2e-3 : 1e-4 },
      );
    });
  }

  test('with a clipped x̂_0 the noise is that of the clipped one', async () => {
    for (const predicts of [epsilonPrediction, x0Prediction]) {
      const reverse = reverseProcess({ ...skewed.process(schedule, predicts), clip: [-0.1, 0.1] });
      expectSteps(
        await record(ddimInversion({ times: times([25, 10]) }), reverse, DATA),
        ({ x, from, to }) => {
          const expected = inverted(x, from, to, to, 0.1);
          expect(distance(inverted(x, from, to), expected)).toBeGreaterThan(0.05);
          return expected;
        },
      );
    }
  });
});

onEachBackend(() => {
  test('there and back misses by an error of first order in the steps, and there is where the flow goes', async () => {
    const [missed, offFlow]: [number[], number[]] = [[], []];
    for (const steps of [100, 200]) {
      const schedule = linear({ steps });
      const reverse = skewed.process(schedule, vPrediction);
      const xT = await end(ddimInversion(), reverse, DATA);
      missed.push(distance(await end(ddim(), reverse, xT), DATA));
      const flow = skewed.flow(DATA, schedule.level(-1), schedule.level(steps - 1), FACTORS);
      offFlow.push(distance(xT, flow));
    }
    for (const errors of [missed, offFlow]) {
      expect(errors[1]).toBeLessThan(0.1);
      expect(Math.log2(errors[0]! / errors[1]!)).toBeGreaterThan(0.9);
      expect(Math.log2(errors[0]! / errors[1]!)).toBeLessThan(1.2);
    }
  });

  test('a step shows x at the level that it starts from, and what the network sees in it at the next', async () => {
    const list = times([39, 20, 6]);
    const { x, x0, from, to } = await record(
      ddimInversion({ times: list }),
      skewed.process(schedule, vPrediction),
      DATA,
    );
    expect(from.map(({ t }) => t)).toEqual([-1, 6, 20]);
    expect(to.map(({ t }) => t)).toEqual([6, 20, 39]);
    expectAllClose(x[0]!.flat(), DATA.flat());
    x0.forEach((shown, step) => {
      expectAllClose(shown.flat(), skewed.x0(x[step]!, to[step]!, FACTORS).flat(), {
        relative: 1e-4,
        absolute: 1e-5,
      });
    });
  });

  test('example i is the same in a batch of three and in batches of one and two', async () => {
    const invert = (first: number, count: number): Promise<Batch> =>
      end(
        ddimInversion({ times: trailing(5) }),
        skewed.process(schedule, vPrediction),
        DATA.slice(first, first + count),
        {
          factors: FACTORS.slice(first, first + count),
        },
      );
    expect([...(await invert(0, 1)), ...(await invert(1, 2))]).toEqual(await invert(0, 3));
  });

  test('a network that answers later gives the same numbers', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const later = { ...reverse, denoiser: eventually(reverse.denoiser) };
    const sampler = ddimInversion({ times: trailing(5) });
    expect(await record(sampler, later, DATA)).toEqual(await record(sampler, reverse, DATA));
  });

  test('a run leaves nothing behind but what it returned, nor one that is left early or fails', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    const sampler = ddimInversion({ times: trailing(4) });
    await expectNoLeak(async () => {
      const x0 = toTensor(DATA, SHAPE);
      return [x0, await finish(sampler(reverse, x0, { condition }))];
    });
    await expectNoLeak(async () => {
      const x0 = toTensor(DATA, SHAPE);
      for await (const { index } of sampler(reverse, x0, { condition })) if (index === 2) break;
      // Without its condition the network throws.
      await expect(finish(sampler(reverse, x0))).rejects.toThrow();
      return [x0];
    });
    condition.factor.dispose();
  });

  test('lists of times that a sampler refuses are refused here too, at the call', () => {
    const start = (list: Times, predicts = vPrediction): unknown =>
      ddimInversion({ times: list })(skewed.process(schedule, predicts), tf.scalar(0));
    expect(() => start(() => Float64Array.of(-1, 20, 39))).toThrow(/must fall from the noise to the data/);
    expect(() => start(() => Float64Array.of(39, 20))).toThrow(/must end at the data, -1, not at 20/);
    expect(() => start(() => Float64Array.of(-1))).toThrow(/at least two times/);
    expect(() => start(times([40]))).toThrow(/t is 40/);
    expect(() => start(trailing(5), previousMeanPrediction)).toThrow(/previous mean/);
  });
}, ['cpu']);
