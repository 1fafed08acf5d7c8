import {
  edmPrediction,
  epsilonPrediction,
  flowPrediction,
  type Prediction,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  cosine,
  linear,
  linspace,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  type Times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Batch, distance, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import { ddim } from '../src/ddim.js';
import { dpmSolverPlusPlus } from '../src/dpm-solver-plus-plus.js';
import { guided } from '../src/guided.js';
import { end, expectSteps, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });

interface Seen {
  readonly level: NoiseLevel;
  readonly x0: Batch;
}

/**
 * One step in the notation of Lu et al. 2022: D_0 = x̂_0 now, D_1 and D_2 its first and second divided differences by
 * λ/h. `curvature`: how often the last term is taken.
 */
function step(
  x: Batch,
  to: NoiseLevel,
  [now, before, earlier]: readonly Seen[],
  curvature: number,
): number[][] {
  const { level, x0 } = now!;
  const lambda = ({ logSnr }: NoiseLevel): number => logSnr / 2;
  const h = lambda(to) - lambda(level);
  const phi1 = Math.expm1(-h);
  const first = [
    [to.sigma / level.sigma, x],
    [-to.alpha * phi1, x0],
  ] as const;
  if (before === undefined) return sum(...first);
  const r0 = (lambda(level) - lambda(before.level)) / h;
  const D10 = sum([1 / r0, x0], [-1 / r0, before.x0]);
  // Algorithm 2.
  if (earlier === undefined) return sum(...first, [(-to.alpha * phi1) / 2, D10]);
  const r1 = (lambda(before.level) - lambda(earlier.level)) / h;
  const D11 = sum([1 / r1, before.x0], [-1 / r1, earlier.x0]);
  const bent = sum([1, D10], [-1, D11]);
  const D1 = sum([1, D10], [r0 / (r0 + r1), bent]);
  const D2 = sum([1 / (r0 + r1), bent]);
  const [phi2, phi3] = [phi1 / h + 1, (phi1 + h) / h ** 2 - 0.5];
  return sum(...first, [to.alpha * phi2, D1], [-to.alpha * phi3 * curvature, D2]);
}

const CASES: readonly (readonly [string, NoiseSchedule, Prediction, Times])[] = [
  ['linear, twenty steps', schedule, epsilonPrediction, linspace(20)],
  ['linear, seven steps', schedule, vPrediction, trailing(7)],
  [
    'variance exploding, fifteen steps',
    varianceExploding(),
    edmPrediction(),
    () =>
      Float64Array.from([...Array.from({ length: 15 }, (_, i) => 80 * 0.5 ** (i + 0.3 * Math.sin(i))), 0]),
  ],
  [
    'the straight path, fourteen steps',
    rectified(),
    flowPrediction,
    () => Float64Array.from({ length: 15 }, (_, i) => 0.99 * (1 - i / 14) ** 1.3),
  ],
];

const ORDERS = [
  { order: 1, taylor: false },
  { order: 2, taylor: false },
  { order: 3, taylor: false },
  { order: 3, taylor: true },
] as const;

onEachBackend(() => {
  for (const [name, schedule, predicts, list] of CASES) {
    for (const { order, taylor } of ORDERS) {
      test(`on ${name} order ${order}${taylor ? ' by Taylor' : ''} takes the steps of the paper, in float64`, async () => {
        const { sigma } = schedule.level(list(schedule)[0]!);
        const run = await record(
          dpmSolverPlusPlus({ times: list, order, taylor }),
          skewed.process(schedule, predicts),
          sum([sigma, NOISE]),
        );
        const total = run.x.length;
        const seen: Seen[] = [];
        expectSteps(
          run,
          ({ x, from, to, index }) => {
            seen.unshift({ level: from, x0: skewed.x0(x, from, FACTORS) });
            // Low at the start, in the last step, and with fewer than fifteen steps in the second last too.
            const left = total - index;
            if (left === 1) return seen[0]!.x0;
            const most = total < 15 ? left : 3;
            return step(x, to, seen.slice(0, Math.min(order, most)), taylor ? 2 : 1);
          },
          { absolute: 2e-5 * (1 + sigma) },
        );
      });
    }
  }

  test('order 1 is DDIM with η = 0, step by step', async () => {
    for (const [of, predicts] of [
      [schedule, epsilonPrediction],
      [cosine({ steps: 40 }), vPrediction],
      [rescaleToZeroTerminalSnr(schedule), x0Prediction],
    ] as const) {
      const reverse = skewed.process(of, predicts);
      const implicit = await record(ddim({ times: trailing(20) }), reverse, NOISE);
      const multistep = await record(dpmSolverPlusPlus({ times: trailing(20), order: 1 }), reverse, NOISE);
      expectAllClose(multistep.x.flat(2), implicit.x.flat(2), { relative: 1e-5, absolute: 1e-5 });
      expectAllClose(multistep.end.flat(), implicit.end.flat(), { relative: 1e-5, absolute: 1e-5 });
    }
  });
});

onEachBackend(() => {
  for (const { order, taylor } of ORDERS) {
    const name = `order ${order}${taylor ? ' by Taylor' : ''}`;

    test(`at ${name} a prediction that does not change is reached along the exact path`, async () => {
      const cosine30 = cosine({ steps: 30 });
      const reverse = skewed.process(cosine30, x0Prediction);
      const constant: typeof reverse = { ...reverse, denoiser: (xt) => tf.fill(xt.shape, 0.3) };
      const start = cosine30.level(29);
      const xT = NOISE.map((row) => row.map((noise) => 0.3 * start.alpha + noise * start.sigma));
      const { x, from } = await record(dpmSolverPlusPlus({ order, taylor }), constant, xT);
      x.forEach((shown, i) => {
        const { alpha, sigma } = from[i]!;
        const expected = NOISE.map((row) => row.map((noise) => 0.3 * alpha + noise * sigma));
        expectAllClose(shown.flat(), expected.flat(), { relative: 1e-5, absolute: 1e-5 });
      });
    });

    test(`at ${name} an infinitely long first step from pure noise has no slope to add`, async () => {
      const zeroSnr = rescaleToZeroTerminalSnr(cosine({ steps: 100 }));
      for (const steps of [1, 2, 3, 16]) {
        const list = trailing(steps);
        const reverse = skewed.process(zeroSnr, vPrediction);
        const run = await record(dpmSolverPlusPlus({ times: list, order, taylor }), reverse, NOISE);
        expect(run.from[0]!.logSnr).toBe(Number.NEGATIVE_INFINITY);
        expect(run.end.flat().every(Number.isFinite)).toBe(true);
        // The first two steps are of first order: one prediction, then an infinite distance to the one before.
        const firstTwo = { ...run, x: run.x.slice(0, 2), end: run.x[2] ?? run.end };
        expectSteps(firstTwo, ({ x, x0, from, to }) => {
          const ratio = to.sigma / from.sigma;
          return sum([ratio, x], [to.alpha - ratio * from.alpha, x0]);
        });
      }
    });

    test(`${name} asks the network once a step`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      let evaluations = 0;
      const counting: typeof reverse = {
        ...reverse,
        denoiser(...question) {
          evaluations += 1;
          return reverse.denoiser(...question);
        },
      };
      await end(dpmSolverPlusPlus({ times: trailing(8), order, taylor }), counting, NOISE);
      expect(evaluations).toBe(8);
    });
  }

  test('ten trailing steps end nearer to where the flow goes than ten of DDIM, and at order 3 nearer than at order 2', async () => {
    const linear1000 = linear({ steps: 1000 });
    const reverse = skewed.process(linear1000, epsilonPrediction);
    const flow = skewed.flow(NOISE, linear1000.level(999), linear1000.level(-1), FACTORS);
    const times = trailing(10);
    const [implicit, second, third] = await Promise.all(
      [ddim({ times }), dpmSolverPlusPlus({ times }), dpmSolverPlusPlus({ times, order: 3 })].map(
        async (sampler) => distance(await end(sampler, reverse, NOISE), flow),
      ),
    );
    expect(second!).toBeLessThan(0.8 * implicit!);
    expect(third!).toBeLessThan(second!);
  });

  test('a guided, clipped network is taken where many steps of DDIM take it', async () => {
    const plain = skewed.process(cosine({ steps: 1000 }), vPrediction);
    // Without a condition the data are those of the factor 0.5.
    const empty = { factor: tf.tensor1d([0.5]) };
    const reverse = { ...guided(plain, { scale: -0.4, empty }), clip: [-0.9, 0.9] as const };
    const many = await end(ddim({ times: trailing(250) }), reverse, NOISE);
    const few = await end(dpmSolverPlusPlus({ times: trailing(60) }), reverse, NOISE);
    expect(distance(few, many)).toBeLessThan(0.02);
    empty.factor.dispose();
  });
}, ['cpu']);

test('an order that is not 1, 2 or 3 is refused', () => {
  for (const order of [0, 4, 1.5, Number.NaN])
    expect(() => dpmSolverPlusPlus({ order: order as 1 })).toThrow(`order must be 1, 2 or 3, not ${order}`);
});
