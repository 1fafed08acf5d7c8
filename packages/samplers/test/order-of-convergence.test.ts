import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  fixedSmall,
  flowPrediction,
  type Prediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  karras,
  type NoiseSchedule,
  rectified,
  type Times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { finish } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddim, dpmSolverPlusPlus, heun, type Sampler } from '../src/index.js';
import { distance, sum } from './batch.js';
import { FACTORS, NOISE, skewed } from './mixing-data.js';
import { levelsOf, record, uniformInLambda } from './running.js';

const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));

type Name = 'ddim' | 'heun' | '2M' | '3M' | '3M by Taylor';

const SAMPLERS: Readonly<Record<Name, (times: Times) => Sampler>> = {
  ddim: (times) => ddim({ times }),
  heun: (times) => heun({ times }),
  '2M': (times) => dpmSolverPlusPlus({ times }),
  '3M': (times) => dpmSolverPlusPlus({ times, order: 3 }),
  '3M by Taylor': (times) => dpmSolverPlusPlus({ times, order: 3, taylor: true }),
};

/** How much the error falls by when the steps are doubled, as a power of two. */
const ORDERS: Readonly<Record<Name, readonly [least: number, most: number]>> = {
  ddim: [0.95, 1.05],
  heun: [1.95, 2.15],
  '2M': [1.9, 2.1],
  '3M': [1.95, 2.15],
  // Measured as 3.45 in float64 where the steps are many.
  '3M by Taylor': [3, 3.7],
};

/** The largest miss of the exact flow where the last step begins, or where it ends. */
async function miss(
  sampler: (times: Times) => Sampler,
  [schedule, predicts]: readonly [NoiseSchedule, Prediction],
  list: Times,
  at: 'last' | 'end',
): Promise<number> {
  const levels = levelsOf(list, schedule);
  const xT = sum([levels[0]!.sigma, NOISE]);
  const { x, end } = await record(sampler(list), skewed.process(schedule, predicts), xT);
  return at === 'end'
    ? distance(end, skewed.flow(xT, levels[0]!, levels.at(-1)!, FACTORS))
    : distance(x.at(-1)!, skewed.flow(xT, levels[0]!, levels.at(-2)!, FACTORS));
}

const FRAMES = {
  'variance preserving, a cosine': [cosine, vPrediction],
  'the σ-frame': [varianceExploding(), edmPrediction()],
  'the straight path': [rectified(), flowPrediction],
} as const;

onEachBackend(() => {
  for (const [where, frame] of Object.entries(FRAMES)) {
    for (const [name, sampler] of Object.entries(SAMPLERS) as [Name, (times: Times) => Sampler][]) {
      const [least, most] = ORDERS[name];
      test(`${where}: over equal steps in log-SNR the error of ${name} falls by an order between ${least} and ${most}`, async () => {
        const errors = [await miss(sampler, frame, uniformInLambda(40), 'last')];
        errors.push(await miss(sampler, frame, uniformInLambda(80), 'last'));
        const order = Math.log2(errors[0]! / errors[1]!);
        expect(order).toBeGreaterThan(least);
        expect(order).toBeLessThan(most);
      });
    }
  }

  test('at 40 equal steps in log-SNR every sampler is nearer to the flow than the one of lower order', async () => {
    const errors = await Promise.all(
      Object.values(SAMPLERS).map((sampler) =>
        miss(sampler, FRAMES['the σ-frame'], uniformInLambda(40), 'last'),
      ),
    );
    const [first, heuns, second, third, taylors] = errors as [number, number, number, number, number];
    expect(first / heuns).toBeGreaterThan(5);
    expect(first / second).toBeGreaterThan(10);
    // The established form of 3M is of second order, with about a third of the error of 2M.
    expect(second / third).toBeGreaterThan(2);
    expect(second / third).toBeLessThan(4);
    expect(third / taylors).toBeGreaterThan(5);
  });

  for (const [where, list, frame] of [
    ['equal steps in time, to the data', trailing, FRAMES['variance preserving, a cosine']],
    ['equal steps in time, to the data', trailing, FRAMES['the straight path']],
    ['steps of Karras, to the data', (steps: number) => karras({ steps }), FRAMES['the σ-frame']],
  ] as const) {
    test(`${where}, from ${frame[0].level(frame[0].end).sigma} of noise: ddim is of first order and heun of second`, async () => {
      for (const [name, expected] of [
        ['ddim', 1],
        ['heun', 2],
      ] as const) {
        const errors = [await miss(SAMPLERS[name], frame, list(40), 'end')];
        errors.push(await miss(SAMPLERS[name], frame, list(80), 'end'));
        expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - expected)).toBeLessThan(0.1);
      }
    });
  }

  // Measured elsewhere, for an x_T of one σ: the error where σ is 0.002, of 10, 40 and 160 levels.
  for (const [name, published] of [
    ['ddim', ['0.135', '0.0351', '0.00886']],
    ['heun', ['0.110', '0.00489', '0.00028']],
    ['2M', ['0.0794', '0.00521', '0.00029']],
  ] as const) {
    test(`on Karras's grid from 80 to 0.002 the errors of ${name} for data N(0, 0.5²) are ${published.join(', ')}`, async () => {
      const schedule = varianceExploding();
      const reverse = reverseProcess({
        forward: gaussianDiffusion(schedule),
        denoiser: (x, told) => tf.mul(x, 0.25 / (0.25 + told.dataSync()[0]! ** 2)),
        predicts: x0Prediction,
        variance: fixedSmall,
      });
      // The mean of many, because float32 rounds a number of 80 to 4e-6.
      const relative = Array.from({ length: 64 }, (_, i) => 0.75 + (i * 0.5) / 63);
      const flow = (80 * Math.hypot(0.5, 0.002)) / Math.hypot(0.5, 80);
      for (const [i, steps] of [10, 40, 160].entries()) {
        const xT = tf.tensor2d(relative.map((x) => [80 * x]));
        let last: number[] = [];
        const x0 = await finish(SAMPLERS[name](karras({ steps }))(reverse, xT), ({ x }) => {
          last = Array.from(x.dataSync());
        });
        const mean = last.reduce((total, x, k) => total + Math.abs(x / relative[k]! - flow), 0) / last.length;
        expect(mean.toPrecision(published[i]!.replace(/^0\.0*/, '').length)).toBe(published[i]);
        tf.dispose([xT, x0]);
      }
    });
  }
}, ['cpu']);
