import { edmPrediction, flowPrediction, vPrediction, x0Prediction } from '@diffusion-ts/reverse-process';
import {
  linear,
  type NoiseLevel,
  rectified,
  rescaleToZeroTerminalSnr,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { onEachBackend } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';
import { heun } from '../src/heun.js';
import { type Batch, sum } from './batch.js';
import { FACTORS, NOISE, skewed } from './mixing-data.js';
import { end, expectSteps, record } from './running.js';

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

onEachBackend(() => {
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
