import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import {
  cosine,
  fromBetas,
  linear,
  type NoiseSchedule,
  rescaleToZeroTerminalSnr,
} from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddim } from '../src/ddim.js';
import { dpmSolverPlusPlus } from '../src/dpm-solver-plus-plus.js';
import { guided } from '../src/guided.js';
import type { Sampler } from '../src/sampler.js';
import { exact, exactProcess, finish } from './gaussian-data.js';

const s2 = 0.25;
const orders = [1, 2, 3] as const;

/** `steps` steps of equal length in λ = ½ ln SNR from −4 to 3, and a last one to the data. */
function uniformInLambda(steps: number): NoiseSchedule {
  const alphaBars = Array.from(
    { length: steps + 1 },
    (_, i) => 1 / (1 + Math.exp(-2 * (3 - (7 * i) / steps))),
  );
  return fromBetas(alphaBars.map((alphaBar, i) => 1 - alphaBar / (alphaBars[i - 1] ?? 1)));
}

/** How far x_t is from the exact solution when λ = 3 is reached: there x_t / √(Var x_t) is what it was at the start. */
async function error(sampler: Sampler, schedule: NoiseSchedule): Promise<number> {
  const xT = tf.tensor2d([[1]]);
  let last = Number.NaN;
  for await (const { xt } of sampler(exactProcess(schedule, s2, 'x0'), xT, { rng: rng(1) }))
    last = xt.dataSync()[0]!;
  xT.dispose();
  const marginal = (t: number): number => exact(schedule.alphaBars[t]!, s2).marginal;
  return Math.abs(last - Math.sqrt(marginal(0) / marginal(schedule.steps - 1)));
}

/** What a sampler makes of a standard deviation of noise in every element. */
async function end(sampler: Sampler, reverse: Parameters<Sampler>[0]): Promise<number> {
  const xT = tf.tensor2d([[1]]);
  const x0 = await finish(sampler(reverse, xT, { rng: rng(1) }));
  const [value] = x0.dataSync();
  tf.dispose([xT, x0]);
  return value!;
}

onEachBackend(() => {
  test('order 1 converges at first order, 2 and 3 at second, each with less error than the one before', async () => {
    const measured: number[][] = [];
    for (const order of orders) {
      const errors: number[] = [];
      for (const steps of [40, 80, 160])
        errors.push(await error(dpmSolverPlusPlus({ order }), uniformInLambda(steps)));
      measured.push(errors);
      const slope = Math.log2(errors[1]! / errors[2]!);
      expect(slope).toBeGreaterThan(order === 1 ? 0.95 : 1.9);
      expect(slope).toBeLessThan(order === 1 ? 1.05 : 2.2);
    }
    const [first, second, third] = measured.map((errors) => errors[2]!);
    expect(first! / second!).toBeGreaterThan(50);
    expect(second! / third!).toBeGreaterThan(2.5);
  });

  for (const [name, schedule, predicts] of [
    ['a linear schedule with ε', linear({ steps: 40 }), 'epsilon'],
    ['a cosine schedule with v', cosine({ steps: 40 }), 'v'],
    ['zero terminal SNR with x_0', rescaleToZeroTerminalSnr(linear({ steps: 40 })), 'x0'],
  ] as const) {
    test(`order 1 is DDIM with η = 0, step by step, on ${name}`, async () => {
      const reverse = exactProcess(schedule, s2, predicts);
      const xT = tf.tensor2d([[0.7, -1.3]]);
      const samples = async (sampler: Sampler): Promise<number[]> => {
        const values: number[] = [];
        for await (const { xt } of sampler(reverse, xT, { rng: rng(1) })) values.push(...xt.dataSync());
        return values;
      };
      const implicit = await samples(ddim({ steps: 20 }));
      expect(implicit.length).toBe(40);
      expectAllClose(await samples(dpmSolverPlusPlus({ steps: 20, order: 1 })), implicit, { relative: 1e-5 });
      xT.dispose();
    });
  }

  for (const order of orders) {
    test(`at order ${order} a prediction that does not change is reached along the exact path`, async () => {
      const schedule = cosine({ steps: 30 });
      const reverse = reverseProcess({
        forward: gaussianDiffusion(schedule),
        denoiser: (xt) => tf.fill(xt.shape, 0.3),
        predicts: 'x0',
        variance: 'fixedSmall',
      });
      const [last] = schedule.alphaBars.slice(-1);
      const xT = tf.tensor2d([[0.3 * Math.sqrt(last!) + 2 * Math.sqrt(1 - last!)]]);
      for await (const { xt, t } of dpmSolverPlusPlus({ order })(reverse, xT, { rng: rng(1) })) {
        const alphaBar = schedule.alphaBars[t]!;
        expectAllClose(xt, [0.3 * Math.sqrt(alphaBar) + 2 * Math.sqrt(1 - alphaBar)], { relative: 1e-5 });
      }
      xT.dispose();
    });

    test(`at order ${order} zero terminal SNR is sampled with v and with x_0, and ends with the scale of the data`, async () => {
      for (const steps of [1, 2, 3, 16, 100]) {
        const schedule = steps < 2 ? fromBetas([1]) : rescaleToZeroTerminalSnr(cosine({ steps }));
        const v = await end(dpmSolverPlusPlus({ order }), exactProcess(schedule, s2, 'v'));
        const x0 = await end(dpmSolverPlusPlus({ order }), exactProcess(schedule, s2, 'x0'));
        expectAllClose([v], [x0], { relative: 1e-4, absolute: 1e-6 });
        // One step can only go to the mean; the standard deviation is ½.
        if (steps === 1) expect(Math.abs(v)).toBeLessThan(1e-6);
        if (steps === 100) expect(Math.abs(v - 0.5)).toBeLessThan(order === 1 ? 0.02 : 0.005);
      }
    });

    test(`order ${order} asks the network once a step, whatever it remembers, and frees it when left early`, async () => {
      const process = exactProcess(linear({ steps: 40 }), s2, 'epsilon');
      let evaluations = 0;
      const reverse = reverseProcess({
        ...process,
        denoiser: (xt, t, condition) => {
          evaluations += 1;
          return process.denoiser(xt, t, condition);
        },
      });
      const sampler = dpmSolverPlusPlus({ steps: 8, order });
      await expectNoLeak(async () => {
        const xT = tf.ones([2, 3]);
        evaluations = 0;
        return [xT, await finish(sampler(reverse, xT, { rng: rng(1) }))];
      });
      expect(evaluations).toBe(8);
      await expectNoLeak(async () => {
        const xT = tf.ones([2, 3]);
        for await (const { index } of sampler(reverse, xT, { rng: rng(1) })) if (index === 4) break;
        return [xT];
      });
    });
  }

  test('ten trailing steps end nearer the exact solution than ten of DDIM, and at order 3 nearer than at order 2', async () => {
    const process = exactProcess(linear({ steps: 1000 }), s2, 'epsilon');
    const solution = Math.sqrt(s2 / exact(process.forward.schedule.alphaBars.at(-1)!, s2).marginal);
    const miss = async (sampler: Sampler): Promise<number> =>
      Math.abs((await end(sampler, process)) - solution);
    const implicit = await miss(ddim({ steps: 'trailing10' }));
    const second = await miss(dpmSolverPlusPlus({ steps: 'trailing10' }));
    const third = await miss(dpmSolverPlusPlus({ steps: 'trailing10', order: 3 }));
    expect(second).toBeLessThan(0.8 * implicit);
    expect(third).toBeLessThan(second);
  });

  test('a guided, clipped network is taken where many steps of DDIM take it', async () => {
    const process = exactProcess(cosine({ steps: 1000 }), s2, 'v');
    // Class 1 has twice the velocity of "no class", 2.
    const denoiser = guided(
      (xt, t, condition) =>
        tf.mul(
          process.denoiser(xt, t),
          tf.reshape(tf.sub(3, tf.cast(condition!.labels!, 'float32')), [-1, 1]),
        ),
      { scale: -0.9, unconditional: 2 },
    );
    const reverse = reverseProcess({ ...process, denoiser, clip: [-0.6, 0.6] });
    const condition = { labels: tf.tensor1d([1, 1], 'int32') };
    const xT = tf.tensor2d([[1], [-0.4]]);
    const run = (sampler: Sampler): Promise<tf.Tensor> =>
      finish(sampler(reverse, xT, { rng: rng(1), condition }));
    const many = await run(ddim({ steps: 500 }));
    const few = await run(dpmSolverPlusPlus({ steps: 60 }));
    expectAllClose(few, many, { relative: 0.02 });
    tf.dispose([many, few, xT, condition.labels]);
  });
});

test('an order that is not 1, 2 or 3 is refused', () => {
  for (const order of [0, 4, 1.5, Number.NaN])
    expect(() => dpmSolverPlusPlus({ order: order as 1 })).toThrow(`order must be 1, 2 or 3, not ${order}`);
});
