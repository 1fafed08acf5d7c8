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
  type NoiseLevel,
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
import { distance, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import { deisFactors } from '../src/deis.js';
import {
  bh1,
  ddim,
  deis,
  dpm2,
  dpmSolverPlusPlus,
  dpmSolverPlusPlus2S,
  euler,
  heun,
  lms,
  pndm,
  type Sampler,
  unipc,
} from '../src/index.js';
import { lmsFactors } from '../src/lms.js';
import { levelsOf, record, uniformInLambda } from './running.js';

const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));

type Make = (times: Times) => Sampler;

/** A solver, and how much its error falls by when the steps are doubled, as a power of two. */
const SAMPLERS = {
  ddim: { make: (times) => ddim({ times }), least: 0.95, most: 1.05 },
  euler: { make: (times) => euler({ times }), least: 0.95, most: 1.05 },
  heun: { make: (times) => heun({ times }), least: 1.95, most: 2.15 },
  dpm2: { make: (times) => dpm2({ times }), least: 1.95, most: 2.1 },
  '2S': { make: (times) => dpmSolverPlusPlus2S({ times }), least: 1.9, most: 2.05 },
  '2M': { make: (times) => dpmSolverPlusPlus({ times }), least: 1.9, most: 2.1 },
  '3M': { make: (times) => dpmSolverPlusPlus({ times, order: 3 }), least: 1.95, most: 2.15 },
  '3M by Taylor': {
    make: (times) => dpmSolverPlusPlus({ times, order: 3, taylor: true }),
    // Measured as 3.45 in float64 where the steps are many.
    least: 3,
    most: 3.7,
  },
  'lms of order 2': { make: (times) => lms({ times, order: 2 }), least: 1.85, most: 2 },
  pndm: { make: (times) => pndm({ times }), least: 1.95, most: 2.1 },
  'deis of order 2': { make: (times) => deis({ times }), least: 1.9, most: 2.05 },
  // The corrector adds one to the order.
  'unipc of order 1': { make: (times) => unipc({ times, order: 1 }), least: 1.9, most: 2.1 },
  'unipc of order 1 by B₁': { make: (times) => unipc({ times, order: 1, b: bh1 }), least: 2, most: 2.15 },
  'unipc of order 2': { make: (times) => unipc({ times }), least: 2.9, most: 3.1 },
  'unipc of order 2 by B₁': { make: (times) => unipc({ times, b: bh1 }), least: 2.95, most: 3.15 },
} as const satisfies Record<string, { make: Make; least: number; most: number }>;

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
    for (const [name, { make, least, most }] of Object.entries(SAMPLERS)) {
      test(`${where}: over equal steps in log-SNR the error of ${name} falls by an order between ${least} and ${most}`, async () => {
        const errors = [await miss(make, frame, uniformInLambda(40), 'last')];
        errors.push(await miss(make, frame, uniformInLambda(80), 'last'));
        const order = Math.log2(errors[0]! / errors[1]!);
        expect(order).toBeGreaterThan(least);
        expect(order).toBeLessThan(most);
      });
    }
  }

  test('from λ = −6 on unipc of order 3 is of order 4, where its last steps have not begun', async () => {
    const flow = exactGaussianProcess(0.5, cosine);
    const make: Make = (times) => unipc({ times, order: 3 });
    // Two steps beyond λ = 1, where three are left.
    const error = (steps: number): Promise<number> =>
      flow.miss(make, uniformInLambda(steps + 2, -6, 1 + 14 / steps), 3);
    const errors = [await error(20), await error(40)];
    expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - 4)).toBeLessThan(0.15);
  });

  test('at 40 equal steps in log-SNR every sampler is nearer to the flow than the one of lower order', async () => {
    const errors = await Promise.all(
      (['ddim', 'heun', '2M', '3M', '3M by Taylor'] as const).map((name) =>
        miss(SAMPLERS[name].make, FRAMES['the σ-frame'], uniformInLambda(40), 'last'),
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
        const errors = [await miss(SAMPLERS[name].make, frame, list(40), 'end')];
        errors.push(await miss(SAMPLERS[name].make, frame, list(80), 'end'));
        expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - expected)).toBeLessThan(0.1);
      }
    });
  }

  // Measured elsewhere, for an x_T of one σ: the error where σ is 0.002, of 10, 40 and 160 levels.
  for (const [name, make, published] of [
    ['ddim', SAMPLERS.ddim.make, ['0.135', '0.0351', '0.00886']],
    ['euler', SAMPLERS.euler.make, ['0.135', '0.0351', '0.00886']],
    ['heun', SAMPLERS.heun.make, ['0.110', '0.00489', '0.00028']],
    ['dpm2', SAMPLERS.dpm2.make, ['0.0606', '0.00283', '0.00016']],
    // With 160 float32 has the last word.
    ['lms', (times) => lms({ times }), ['0.0867', '0.00195']],
    ['2M', SAMPLERS['2M'].make, ['0.0794', '0.00521', '0.00029']],
  ] as const satisfies (readonly [string, Make, readonly string[]])[]) {
    test(`on Karras's grid from 80 to 0.002 the errors of ${name} for data N(0, 0.5²) are ${published.join(', ')}`, async () => {
      const flow = exactGaussianProcess(0.5, varianceExploding());
      for (const [i, digits] of published.entries()) {
        const error = await flow.miss(make, karras({ steps: [10, 40, 160][i]! }));
        expect(error.toPrecision(digits.replace(/^0\.0*/, '').length)).toBe(digits);
      }
    });
  }
}, ['cpu']);

// In float64 by the factors that the solvers go by, since at these orders float32 has too few digits. The first steps are
// of lower order, and count for nothing deep in noise.
for (const [name, factors, order] of [
  ['lms of order 3', lmsFactors, 3],
  ['lms of order 4', lmsFactors, 4],
  ['deis of order 3', deisFactors, 3],
] as const) {
  test(`the factors of ${name} are of order ${order}`, () => {
    const spread = ({ alpha, sigma }: NoiseLevel): number => Math.hypot(alpha / 2, sigma);
    const error = (steps: number): number => {
      const levels = levelsOf(uniformInLambda(steps, -6, 1), cosine).slice(0, -1);
      const slopes: number[] = [];
      let y = 1;
      levels.slice(1).forEach((to, i) => {
        const from = levels[i]!;
        // ε̂ for data N(0, ½²), of x = α y.
        slopes.unshift((from.sigma * from.alpha * y) / spread(from) ** 2);
        const past = levels.slice(Math.max(0, i - order + 1), i).reverse();
        const whole = to.sigma / to.alpha - from.sigma / from.alpha;
        y += whole * slopes[0]!;
        factors(to, from, past).forEach((c, k) => {
          y += c * (slopes[k + 1]! - slopes[0]!);
        });
      });
      const [first, last] = [levels[0]!, levels.at(-1)!];
      return Math.abs((y * last.alpha * spread(first)) / (first.alpha * spread(last)) - 1);
    };
    expect(Math.abs(Math.log2(error(320) / error(640)) - order)).toBeLessThan(0.15);
  });
}

/** Data N(0, s²), and how far a sampler is from the flow of an x_T of one σ where so many steps are left, default 1. */
function exactGaussianProcess(
  s: number,
  schedule: NoiseSchedule,
): { miss(make: Make, list: Times, left?: number): Promise<number> } {
  const reverse = reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (x, told) => {
      const { alpha, sigma } = schedule.level(told.dataSync()[0]!);
      return tf.mul(x, (alpha * s ** 2) / ((alpha * s) ** 2 + sigma ** 2));
    },
    predicts: x0Prediction,
    variance: fixedSmall,
  });
  return {
    async miss(make, list, left = 1) {
      const levels = levelsOf(list, schedule);
      const [first, last] = [levels[0]!, levels.at(-1 - left)!];
      const spread = ({ alpha, sigma }: NoiseLevel): number => Math.hypot(alpha * s, sigma);
      const flow = (first.sigma * spread(last)) / spread(first);
      // The mean of many, because float32 rounds a number of 80 to 4e-6.
      const relative = Array.from({ length: 64 }, (_, i) => 0.75 + (i * 0.5) / 63);
      const xT = tf.tensor2d(relative.map((x) => [first.sigma * x]));
      let reached: number[] = [];
      const x0 = await finish(make(list)(reverse, xT), ({ x, index, total }) => {
        if (index === total! - left) reached = Array.from(x.dataSync());
      });
      tf.dispose([xT, x0]);
      return Math.abs(reached.reduce((total, x, k) => total + x / relative[k]! - flow, 0)) / reached.length;
    },
  };
}
