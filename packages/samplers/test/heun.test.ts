import {
  edmPrediction,
  flowPrediction,
  type Prediction,
  previousMeanPrediction,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Batch, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import { heun } from '../src/heun.js';
import type { Churn } from '../src/index.js';
import { constantNoise, end, expectSteps, levelsOf, type Recorded, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });

onEachBackend(() => {
  test('in the σ-frame it is algorithm 1 of Karras et al. 2022 without churn', async () => {
    const reverse = skewed.process(varianceExploding(), edmPrediction());
    const sampler = heun({ times: times([80, 20, 4, 1, 0.3, 0.05]) });
    const slope = (x: Batch, at: NoiseLevel): Batch =>
      sum([1 / at.sigma, x], [-1 / at.sigma, skewed.x0(x, at, FACTORS)]);
    expectSteps(
      await record(sampler, reverse, sum([80, NOISE])),
      ({ x, from, to }) => {
        const h = to.sigma - from.sigma;
        const d = slope(x, from);
        const euler = sum([1, x], [h, d]);
        return to.sigma === 0 ? euler : sum([1, x], [h / 2, d], [h / 2, slope(euler, to)]);
      },
      { absolute: 1e-4 },
    );
  });

  test('on the straight path it is Heun’s method in t for dx/dt = ε̂ − x̂_0, from pure noise on', async () => {
    const reverse = skewed.process(rectified(), flowPrediction);
    const velocity = (x: Batch, at: NoiseLevel): Batch =>
      sum([1 / at.sigma, x], [-at.alpha / at.sigma - 1, skewed.x0(x, at, FACTORS)]);
    expectSteps(
      await record(heun({ times: times([1, 0.8, 0.5, 0.15]) }), reverse, NOISE),
      ({ x, from, to }) => {
        const h = to.t - from.t;
        const v = velocity(x, from);
        const euler = sum([1, x], [h, v]);
        return to.t === 0 ? euler : sum([1, x], [h / 2, v], [h / 2, velocity(euler, to)]);
      },
    );
  });

  test('elsewhere it takes the mean of x̂_0 and of ε̂ at both ends, at zero terminal SNR too', async () => {
    const reverse = skewed.process(rescaleToZeroTerminalSnr(schedule), x0Prediction);
    expectSteps(await record(heun({ times: times([39, 24, 9.5, 2]) }), reverse, NOISE), ({ x, from, to }) => {
      const look = (x: Batch, at: NoiseLevel): readonly [x0: Batch, epsilon: Batch] => {
        const x0 = skewed.x0(x, at, FACTORS);
        return [x0, sum([1 / at.sigma, x], [-at.alpha / at.sigma, x0])];
      };
      const [x0, epsilon] = look(x, from);
      const euler = sum([to.alpha, x0], [to.sigma, epsilon]);
      if (to.sigma === 0) return euler;
      const [x0There, epsilonThere] = look(euler, to);
      const [dAlpha, dSigma] = [(to.alpha - from.alpha) / 2, (to.sigma - from.sigma) / 2];
      return sum([1, x], [dAlpha, x0], [dAlpha, x0There], [dSigma, epsilon], [dSigma, epsilonThere]);
    });
  });
});

/** The levels that a run with this churn shows its steps to begin at. */
async function begins(churn: Churn, list = [20, 5, 1, 0.3, 0.04]): Promise<number[]> {
  const reverse = skewed.process(varianceExploding({ sigmaMax: 21 }), edmPrediction());
  const run = await record(heun({ times: times(list), churn }), reverse, NOISE, { rng: rng(1) });
  return run.from.map(({ sigma }) => sigma);
}

onEachBackend(() => {
  test('with churn it is algorithm 2 of Karras et al. 2022: noise up to σ̂ = (1 + γ) σ, and the step from there', async () => {
    const [list, churn] = [[60, 20, 4, 1, 0.3, 0.05], { amount: 1.2, min: 0.1, max: 30, noise: 1.007 }];
    for (const z of [0, 1]) {
      const reverse = skewed.process(varianceExploding(), edmPrediction());
      const run = await record(heun({ times: times(list), churn }), reverse, sum([60, NOISE]), {
        rng: constantNoise(z),
      });
      const slope = (x: Batch, sigma: number): Batch =>
        sum([1 / sigma, x], [-1 / sigma, skewed.x0(x, varianceExploding().level(sigma), FACTORS)]);
      let x = sum([60, NOISE]);
      for (const [i, sigma] of list.entries()) {
        const raised = sigma > 0.1 && sigma < 30 ? 1.2 * sigma : sigma;
        const added = 1.007 * Math.sqrt(raised ** 2 - sigma ** 2) * z;
        x = x.map((row) => row.map((value) => value + added));
        expectAllClose(run.from[i]!.sigma, raised);
        expectAllClose(run.x[i]!.flat(), x.flat(), { relative: 1e-4, absolute: 1e-4 });
        const next = list[i + 1] ?? 0;
        const d = slope(x, raised);
        const euler = sum([1, x], [next - raised, d]);
        x =
          next === 0
            ? euler
            : sum([1, x], [(next - raised) / 2, d], [(next - raised) / 2, slope(euler, next)]);
      }
      expectAllClose(run.end.flat(), x.flat(), { relative: 1e-4, absolute: 1e-4 });
    }
  });

  test('churn means the same on every schedule: where σ/α is the same, x/α is', async () => {
    const [list, churn] = [[20, 5, 1, 0.3, 0.04], { amount: 3, noise: 1.1 }];
    const on = async (schedule: NoiseSchedule, predicts: Prediction): Promise<Recorded> => {
      const visited = times(list.map((ratio) => schedule.timeOf(-2 * Math.log(ratio))));
      const xT = sum([levelsOf(visited, schedule)[0]!.alpha, NOISE]);
      return record(heun({ times: visited, churn }), skewed.process(schedule, predicts), xT, { rng: rng(4) });
    };
    const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
    const [exploding, preserving] = [
      await on(varianceExploding(), edmPrediction()),
      await on(cosine, vPrediction),
    ];
    // The mean of two slopes depends on the frame: the first step up does not.
    const scaled = preserving.x[0]!.map((row) => row.map((value) => value / preserving.from[0]!.alpha));
    expectAllClose(scaled.flat(), exploding.x[0]!.flat(), { relative: 1e-4, absolute: 1e-4 });
    for (const [i, { alpha, sigma }] of preserving.from.entries())
      expectAllClose(sigma / alpha, exploding.from[i]!.sigma);
  });
});

onEachBackend(() => {
  test('no churn goes beyond √2 σ, nor beyond the noise that the schedule has', async () => {
    expectAllClose(
      await begins({ amount: 1e9 }),
      [21, 5, 1, 0.3, 0.04].map((s, i) => (i ? s * Math.SQRT2 : s)),
    );
    expectAllClose(await begins({ amount: 0.5 }), [21, 5.5, 1.1, 0.33, 0.044]);
    expect(await begins({ amount: 0 })).toEqual([20, 5, 1, 0.3, 0.04]);
    const zeroSnr = rescaleToZeroTerminalSnr(schedule);
    const pure = await record(
      heun({ times: trailing(4), churn: { amount: 2 } }),
      skewed.process(zeroSnr, vPrediction),
      NOISE,
      { rng: rng(1) },
    );
    expect(pure.from[0]).toEqual(zeroSnr.level(39));
    expect(pure.end.flat().every(Number.isFinite)).toBe(true);
  });

  test('a churn of 0 needs no rng, and any other one does', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const still = heun({ times: trailing(4), churn: { amount: 0 } });
    expect(await end(still, reverse, NOISE)).toEqual(await end(heun({ times: trailing(4) }), reverse, NOISE));
    expect(() => heun({ churn: { amount: 1 } })(reverse, tf.scalar(0))).toThrow(/options\.rng is missing/);
  });

  test('a network that knows only the steps of its training is not asked elsewhere', () => {
    const previous = skewed.process(schedule, previousMeanPrediction);
    const start = (churn: Churn): unknown => heun({ churn })(previous, tf.scalar(0), { rng: rng(1) });
    expect(() => start({ amount: 5 })).toThrow(/previous mean/);
    expect(() => start({ amount: 5, max: 0 })).not.toThrow();
  });

  test('a step asks the network twice, at both its ends, and the last one once', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const told: number[] = [];
    const listening: typeof reverse = {
      ...reverse,
      denoiser(xt, t, condition) {
        told.push(t.dataSync()[0]!);
        return reverse.denoiser(xt, t, condition);
      },
    };
    await end(heun({ times: trailing(4) }), listening, NOISE);
    expect(told).toEqual([39, 29, 29, 19, 19, 9, 9]);
  });
}, ['cpu']);

test('a churn out of range is refused', () => {
  for (const [churn, message] of [
    [{ amount: -1 }, 'churn.amount must be a finite number from 0 up, not -1'],
    [{ amount: Number.NaN }, 'churn.amount must be a finite number from 0 up, not NaN'],
    [{ amount: 1, noise: Infinity }, 'churn.noise must be a finite number from 0 up, not Infinity'],
    [{ amount: 1, min: 2, max: 1 }, 'churn.max must be at least churn.min, 2, not 1'],
  ] as const)
    expect(() => heun({ churn })).toThrow(new RangeError(message));
});
