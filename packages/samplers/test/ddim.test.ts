import { reverseProcess } from '@diffusion-ts/reverse-process';
import { linear, type NoiseSchedule, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ancestral } from '../src/ancestral.js';
import { ddim } from '../src/ddim.js';
import { exact, exactProcess, finish, variance } from './gaussian-data.js';

const s2 = 0.25;

/** x_0 / x_T of the probability-flow ODE: along it x_t keeps its quantile, so x_t / √(Var x_t) is constant. */
function exactMap(schedule: NoiseSchedule): number {
  return Math.sqrt(s2 / exact(schedule.alphaBars.at(-1)!, s2).marginal);
}

/** The factors of x_t and z in eq. 12 of Song et al. 2021 with the exact network, largest t first. */
function equation12(schedule: NoiseSchedule, eta: number): { k: number; sigma: number }[] {
  return Array.from(schedule.alphaBars, (alphaBar, t) => {
    const { x0OfXt, epsilonOfXt } = exact(alphaBar, s2);
    const alphaBarPrev = schedule.alphaBarsPrev[t]!;
    // Eq. 16.
    const sigma =
      eta * Math.sqrt((1 - alphaBarPrev) / (1 - alphaBar)) * Math.sqrt(1 - alphaBar / alphaBarPrev);
    const k = Math.sqrt(alphaBarPrev) * x0OfXt + Math.sqrt(1 - alphaBarPrev - sigma ** 2) * epsilonOfXt;
    return { k, sigma };
  }).toReversed();
}

onEachBackend(() => {
  test('η = 0 converges to the exact probability-flow map at first order', async () => {
    const errors: number[] = [];
    for (const steps of [50, 100, 200]) {
      const schedule = linear({ steps });
      const xT = tf.tensor2d([[1]]);
      const x0 = await finish(ddim()(exactProcess(schedule, s2, 'epsilon'), xT, { rng: rng(1) }));
      errors.push(Math.abs(x0.dataSync()[0]! - exactMap(schedule)));
      tf.dispose([xT, x0]);
    }
    expect(errors[2]).toBeLessThan(0.01);
    expect(Math.log2(errors[0]! / errors[1]!)).toBeCloseTo(1, 1);
    expect(Math.log2(errors[1]! / errors[2]!)).toBeCloseTo(1, 1);
  });

  test('what the network predicts makes no difference to where it ends', async () => {
    const schedule = linear({ steps: 40 });
    const xT = tf.tensor2d([[0.7, -1.3]]);
    const ends: tf.Tensor[] = [];
    for (const predicts of ['epsilon', 'x0', 'v', 'previous'] as const) {
      ends.push(await finish(ddim()(exactProcess(schedule, s2, predicts), xT, { rng: rng(1) })));
    }
    for (const end of ends) expectAllClose(end, ends[0]!, { relative: 1e-3 });
    tf.dispose([xT, ends]);
  });

  test('η = 1 is ancestral sampling with the posterior variance, sample by sample', async () => {
    const schedule = linear({ steps: 40 });
    const reverse = exactProcess(schedule, s2, 'epsilon', 'fixedSmall');
    const xT = rng(2).normal([8, 5]);
    const implicit = await finish(ddim({ eta: 1, steps: 10 })(reverse, xT, { rng: rng(3) }));
    const markov = await finish(ancestral({ steps: 10 })(reverse, xT, { rng: rng(3) }));
    expectAllClose(implicit, markov, { relative: 1e-4, absolute: 1e-5 });
    tf.dispose([xT, implicit, markov]);
  });

  for (const eta of [0, 0.3, 0.7, 1]) {
    test(`with η = ${eta} and noise of ones it ends where eq. 12 in float64 ends`, async () => {
      const schedule = linear({ steps: 40 });
      const xT = tf.tensor2d([[1.5, -0.5]]);
      const ones: Rng = { ...rng(1), normal: (shape) => tf.ones([...shape]) };
      const x0 = await finish(ddim({ eta })(exactProcess(schedule, s2, 'v'), xT, { rng: ones }));
      const step = (x: number, { k, sigma }: { k: number; sigma: number }): number => k * x + sigma;
      expectAllClose(
        x0,
        [1.5, -0.5].map((x) => equation12(schedule, eta).reduce(step, x)),
        { relative: 1e-4 },
      );
      tf.dispose([xT, x0]);
    });
  }

  test('a schedule of zero terminal SNR is sampled with v and with x_0, at any η', async () => {
    const schedule = rescaleToZeroTerminalSnr(linear({ steps: 40 }));
    for (const predicts of ['v', 'x0'] as const) {
      for (const eta of [0, 1]) {
        const source = rng(6);
        const xT = source.normal([500, 16]);
        const x0 = await finish(ddim({ eta })(exactProcess(schedule, s2, predicts), xT, { rng: source }));
        expectAllClose(
          variance(x0),
          equation12(schedule, eta).reduce((v, { k, sigma }) => k ** 2 * v + sigma ** 2, 1),
          {
            relative: 4 * Math.sqrt(2 / 8000),
          },
        );
        tf.dispose([xT, x0]);
      }
    }
  });

  test('each step asks the network once', async () => {
    const process = exactProcess(linear({ steps: 40 }), s2, 'epsilon');
    let evaluations = 0;
    const reverse = reverseProcess({
      ...process,
      denoiser: (xt, t, condition) => {
        evaluations += 1;
        return process.denoiser(xt, t, condition);
      },
    });
    const xT = tf.ones([2, 3]);
    (await finish(ddim({ steps: 8, eta: 0.5 })(reverse, xT, { rng: rng(1) }))).dispose();
    expect(evaluations).toBe(8);
    xT.dispose();
  });

  test('each step shows the sample, and the x_0 that the network sees in it', async () => {
    const schedule = linear({ steps: 40 });
    const xT = tf.tensor2d([[2, -1]]);
    let steps = 0;
    for await (const { t, xt, x0, index } of ddim()(exactProcess(schedule, s2, 'v'), xT, {
      rng: rng(1),
    })) {
      if (index === 0) expectAllClose(xt, [2, -1]);
      const { x0OfXt } = exact(schedule.alphaBars[t]!, s2);
      expectAllClose(
        x0,
        tf.tidy(() => tf.mul(xt, x0OfXt).dataSync()),
        { relative: 1e-4, absolute: 1e-5 },
      );
      steps += 1;
    }
    expect(steps).toBe(40);
    xT.dispose();
  });

  test('a finished run leaves nothing behind but what it returned', async () => {
    const reverse = exactProcess(linear({ steps: 40 }), s2, 'epsilon');
    await expectNoLeak(async () => {
      const xT = tf.ones([2, 3]);
      return [xT, await finish(ddim({ steps: 4, eta: 0.5 })(reverse, xT, { rng: rng(1) }))];
    });
  });
});

test('an η that is no number from 0 up is refused, and so is one with more noise than a step has', () => {
  for (const eta of [-0.1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => ddim({ eta })).toThrow(/eta must be/);
  const schedule = linear({ steps: 40 });
  const start = (eta: number): unknown =>
    ddim({ eta })(exactProcess(schedule, s2, 'epsilon'), {} as tf.Tensor, { rng: rng(1) });
  // η² β̃_t ≤ 1 − ᾱ_{t−1} means η² ≤ (1 − ᾱ_t)/β_t, tightest at index 1 here.
  const bound = Math.min(
    ...Array.from(schedule.betas, (beta, t) => Math.sqrt((1 - schedule.alphaBars[t]!) / beta)).slice(1),
  );
  expect(() => start(bound * 0.999)).not.toThrow();
  expect(() => start(bound * 1.001)).toThrow(/expected at most 1\.\d+ at step \d+/);
});
