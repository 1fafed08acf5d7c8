import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  epsilonPrediction,
  flowPrediction,
  PREDICTIONS,
  type Prediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  between,
  every,
  linear,
  linspace,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ancestral } from '../src/ancestral.js';
import { type Batch, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import { ddim } from '../src/ddim.js';
import { constantNoise, end, expectSteps, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
const zeroSnr = rescaleToZeroTerminalSnr(schedule);

/** Eq. 12 of Song et al. 2021 with the deviation of eq. 16, on levels of any kind; z are ones. */
function equation12(x: Batch, from: NoiseLevel, to: NoiseLevel, eta: number): number[][] {
  const x0 = skewed.x0(x, from, FACTORS);
  const epsilon = sum([1 / from.sigma, x], [-from.alpha / from.sigma, x0]);
  const kept = (from.alpha * to.sigma) / (from.sigma * to.alpha);
  const sigma = eta * to.sigma * Math.sqrt(1 - kept ** 2);
  const ones = x.map((row) => row.map(() => 1));
  return sum([to.alpha, x0], [Math.sqrt(to.sigma ** 2 - sigma ** 2), epsilon], [sigma, ones]);
}

const CASES: readonly (readonly [string, NoiseSchedule, Prediction, Times])[] = [
  ['linear', schedule, epsilonPrediction, linspace(12)],
  ['linear, few steps', schedule, vPrediction, times([39, 27.5, 11, 3.25])],
  ['zero terminal SNR', zeroSnr, vPrediction, trailing(9)],
  ['zero terminal SNR, few steps', zeroSnr, x0Prediction, trailing(4)],
  ['variance exploding', varianceExploding(), edmPrediction(), times([80, 9, 1.3, 0.2])],
  ['rectified', rectified({ shift: 3 }), flowPrediction, times([1, 0.7, 0.45, 0.1])],
];

onEachBackend(() => {
  for (const [name, schedule, predicts, list] of CASES) {
    test(`on ${name} every step is eq. 12 in float64, at any η`, async () => {
      const { sigma } = schedule.level(schedule.end);
      const start = sum([sigma, NOISE]);
      const reverse = skewed.process(schedule, predicts);
      for (const eta of [0, 0.3, 1]) {
        const run = await record(ddim({ times: list, eta }), reverse, start, { rng: constantNoise(1) });
        expectSteps(run, ({ x, from, to }) => equation12(x, from, to, eta), { absolute: 2e-5 * (1 + sigma) });
      }
    });
  }

  test('η = 1 is ancestral sampling with the posterior variance, sample by sample', async () => {
    for (const [, schedule, predicts, list] of CASES.slice(1)) {
      const reverse = skewed.process(schedule, predicts);
      const start = sum([schedule.level(schedule.end).sigma, NOISE]);
      const implicit = await record(ddim({ eta: 1, times: list }), reverse, start, { rng: rng(3) });
      const markov = await record(ancestral({ times: list }), reverse, start, { rng: rng(3) });
      expectAllClose(implicit.x.flat(2), markov.x.flat(2), { relative: 1e-4, absolute: 1e-4 });
      expectAllClose(implicit.end.flat(), markov.end.flat(), { relative: 1e-4, absolute: 1e-4 });
    }
  });
});

onEachBackend(() => {
  test('what the network predicts makes no difference to where it ends', async () => {
    const short = linear({ steps: 12, start: 1e-3, end: 0.7 });
    const expected = await end(ddim(), skewed.process(short, vPrediction), NOISE);
    for (const predicts of Object.values(PREDICTIONS)) {
      const reached = await end(ddim(), skewed.process(short, predicts), NOISE);
      expectAllClose(reached.flat(), expected.flat(), { relative: 1e-3, absolute: 1e-3 });
    }
  });

  test('each step asks the network once', async () => {
    const reverse = skewed.process(schedule, epsilonPrediction);
    let evaluations = 0;
    const counting: typeof reverse = {
      ...reverse,
      denoiser(...question) {
        evaluations += 1;
        return reverse.denoiser(...question);
      },
    };
    await end(ddim({ times: trailing(8), eta: 0.5 }), counting, NOISE, { rng: rng(1) });
    expect(evaluations).toBe(8);
  });

  test('with a clipped x̂_0 the noise ε̂ is that of the clipped one', async () => {
    const reverse = reverseProcess({ ...skewed.process(schedule, vPrediction), clip: [-0.4, 0.5] });
    let clipped = 0;
    expectSteps(await record(ddim({ times: trailing(6) }), reverse, NOISE), ({ x, from, to }) => {
      const x0 = skewed.x0(x, from, FACTORS).map((row) =>
        row.map((value) => {
          if (value < -0.4 || value > 0.5) clipped += 1;
          return Math.min(Math.max(value, -0.4), 0.5);
        }),
      );
      const epsilon = sum([1 / from.sigma, x], [-from.alpha / from.sigma, x0]);
      return sum([to.alpha, x0], [to.sigma, epsilon]);
    });
    expect(clipped).toBeGreaterThan(10);
  });

  test('the schedule of a forward process of one’s own is the one that it walks on', async () => {
    // The levels of `schedule`, told by other times: hours from 12 (noise) to 0.
    const hours: NoiseSchedule = {
      start: 0,
      least: 12 / 40,
      end: 12,
      level: (hour) => ({ ...schedule.level((hour / 12) * 40 - 1), t: hour }),
      timeOf: (logSnr) => ((schedule.timeOf(logSnr) + 1) / 40) * 12,
    };
    const forward: ForwardProcess = { ...gaussianDiffusion(schedule), schedule: hours };
    const ours = skewed.process(schedule, vPrediction);
    const own = reverseProcess({
      ...ours,
      forward,
      denoiser: (xt, hour, condition) =>
        ours.denoiser(
          xt,
          tf.tidy(() => tf.sub(tf.mul(hour, 40 / 12), 1)),
          condition,
        ),
    });
    const reached = await end(ddim({ times: times([12, 7.5, 3, 0.6]) }), own, NOISE);
    const expected = await end(ddim({ times: times([39, 24, 9, 1]) }), ours, NOISE);
    expectAllClose(reached.flat(), expected.flat(), { relative: 1e-4, absolute: 1e-5 });
  });

  test('an η with more noise than a step has is refused at the call, by the bound of that step', () => {
    const start = (eta: number, list = every()): unknown =>
      ddim({ eta, times: list })(skewed.process(schedule, epsilonPrediction), tf.scalar(0), { rng: rng(1) });
    for (const list of [every(), trailing(5)]) {
      const visited = Array.from(list(schedule), (t) => schedule.level(t)).slice(0, -1);
      // η² β̃ ≤ σ_s².
      const bounds = visited.slice(1).map((s, i) => s.sigma / Math.sqrt(between(s, visited[i]!).variance));
      const bound = Math.min(...bounds);
      expect(() => start(bound * 0.999, list)).not.toThrow();
      expect(() => start(bound * 1.001, list)).toThrow(RangeError);
      const said = new RegExp(
        `eta is .*, expected at most ${String(bound).slice(0, 6)}\\d+ in the step from \\d+ to \\d+`,
      );
      expect(() => start(bound * 1.001, list)).toThrow(said);
    }
  });
}, ['cpu']);

test('an η that is no number from 0 up is refused', () => {
  for (const eta of [-0.1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => ddim({ eta })).toThrow(`eta must be a finite number from 0 up, not ${eta}`);
});
