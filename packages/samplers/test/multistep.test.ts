import { epsilonPrediction, flowPrediction, vPrediction } from '@diffusion-ts/reverse-process';
import {
  linear,
  linspace,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  type Times,
  times,
  trailing,
} from '@diffusion-ts/schedules';
import { onEachBackend } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';
import { type Batch, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import {
  bh1,
  bh2,
  deis,
  dpm2,
  dpmSolverPlusPlus2S,
  euler,
  lms,
  pndm,
  type Sampler,
  unipc,
} from '../src/index.js';
import { end, expectSteps, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
const uneven = times([39, 35.5, 30, 26, 19, 11, 6.5, 2]);

const rho = ({ alpha, sigma }: NoiseLevel): number => sigma / alpha;
const lambda = ({ logSnr }: NoiseLevel): number => logSnr / 2;
const epsilon = (x: Batch, x0: Batch, { alpha, sigma }: NoiseLevel): Batch =>
  sum([1 / sigma, x], [-alpha / sigma, x0]);

/** ∫ f from a to b by Gauss's five points, exact to the ninth degree, in parts. */
function integral(f: (x: number) => number, a: number, b: number, parts = 20): number {
  const [p, q] = [5 - 2 * Math.sqrt(10 / 7), 5 + 2 * Math.sqrt(10 / 7)].map((x) => Math.sqrt(x) / 3) as [
    number,
    number,
  ];
  const [u, v] = [(322 + 13 * Math.sqrt(70)) / 900, (322 - 13 * Math.sqrt(70)) / 900];
  const half = (b - a) / parts / 2;
  let total = 0;
  for (let i = 0; i < parts; i++) {
    const middle = a + (2 * i + 1) * half;
    for (const [node, weight] of [
      [0, 128 / 225],
      [p, u],
      [-p, u],
      [q, v],
      [-q, v],
    ] as const)
      total += half * weight * f(middle + half * node);
  }
  return total;
}

/** The value at u of the polynomial that is 1 at node j and 0 at the others. */
function basis(nodes: readonly number[], j: number, u: number): number {
  return nodes.reduce((value, node, m) => (m === j ? value : (value * (u - node)) / (nodes[j]! - node)), 1);
}

/** x′/α′ = x/α + Σ c_k ε̂_k, the c by numerical integration. */
function remembers(order: number, c: (nodes: readonly NoiseLevel[], j: number, to: NoiseLevel) => number) {
  const seen: { level: NoiseLevel; slope: Batch }[] = [];
  return ({ x, from, to }: { x: Batch; from: NoiseLevel; to: NoiseLevel }, low = order): Batch => {
    seen.unshift({ level: from, slope: epsilon(x, skewed.x0(x, from, FACTORS), from) });
    const used = seen.slice(0, low);
    const nodes = used.map(({ level }) => level);
    return sum(
      [to.alpha / from.alpha, x],
      ...used.map(({ slope }, j) => [to.alpha * c(nodes, j, to), slope] as const),
    );
  };
}

onEachBackend(() => {
  for (const order of [1, 2, 3, 4] as const) {
    test(`lms of order ${order} integrates the polynomial in σ/α through its last slopes, to the data too`, async () => {
      const step = remembers(order, (nodes, j, to) =>
        integral((u) => basis(nodes.map(rho), j, u), rho(nodes[0]!), rho(to)),
      );
      const run = await record(
        lms({ times: uneven, order }),
        skewed.process(schedule, epsilonPrediction),
        NOISE,
      );
      expectSteps(run, (shown) => step(shown), { absolute: 5e-5 });
    });
  }

  for (const order of [1, 2, 3] as const) {
    test(`deis of order ${order} integrates the polynomial in λ through its last ε̂ against d(σ/α)`, async () => {
      const step = remembers(order, (nodes, j, to) =>
        integral((u) => -Math.exp(-u) * basis(nodes.map(lambda), j, u), lambda(nodes[0]!), lambda(to)),
      );
      const run = await record(
        deis({ times: uneven, order }),
        skewed.process(schedule, epsilonPrediction),
        NOISE,
      );
      expectSteps(
        run,
        (shown) => {
          // Of eight steps the last ones are of low order; that to the data is x̂_0.
          const left = run.x.length - shown.index;
          return left === 1 ? shown.x0 : step(shown, Math.min(order, left));
        },
        { absolute: 5e-5 },
      );
    });
  }

  test('pndm takes DDIM’s step with 55, −59, 37 and −9 parts in 24 of ε̂, after a mean of two and the lower formulas', async () => {
    const list = linspace(10);
    const run = await record(pndm({ times: list }), skewed.process(schedule, vPrediction), NOISE);
    const transfer = (x: Batch, from: NoiseLevel, to: NoiseLevel, e: Batch): Batch =>
      sum([to.alpha / from.alpha, x], [to.sigma - (from.sigma * to.alpha) / from.alpha, e]);
    const look = (x: Batch, at: NoiseLevel): Batch => epsilon(x, skewed.x0(x, at, FACTORS), at);
    const seen: Batch[] = [];
    expectSteps(run, ({ x, from, to, index }) => {
      const e = look(x, from);
      seen.unshift(e);
      const [, e1, e2, e3] = seen;
      if (index === 0) {
        const there = look(transfer(x, from, to, e), to);
        return transfer(x, from, to, sum([0.5, e], [0.5, there]));
      }
      if (index === 1) return transfer(x, from, to, sum([3 / 2, e], [-1 / 2, e1!]));
      if (index === 2) return transfer(x, from, to, sum([23 / 12, e], [-16 / 12, e1!], [5 / 12, e2!]));
      const factors = [
        [55 / 24, e],
        [-59 / 24, e1!],
        [37 / 24, e2!],
        [-9 / 24, e3!],
      ] as const;
      return transfer(x, from, to, sum(...factors));
    });
  });

  test('dpm2 goes by the ε̂ that it sees half-way in λ, and in the σ-frame where σ is the geometric mean', async () => {
    const run = await record(dpm2({ times: uneven }), skewed.process(schedule, vPrediction), NOISE);
    expectSteps(run, ({ x, x0, from, to }) => {
      if (to.sigma === 0) return x0;
      const middle = schedule.level(schedule.timeOf(lambda(from) + lambda(to)));
      expect(rho(middle)).toBeCloseTo(Math.sqrt(rho(from) * rho(to)), 9);
      const e = epsilon(x, x0, from);
      // d(x/α) = ε̂ d(σ/α), there and back again in float64.
      const there = sum([middle.alpha / from.alpha, x], [middle.alpha * (rho(middle) - rho(from)), e]);
      const eThere = epsilon(there, skewed.x0(there, middle, FACTORS), middle);
      return sum([to.alpha / from.alpha, x], [to.alpha * (rho(to) - rho(from)), eThere]);
    });
  });

  test('2S takes the step of first order with the x̂_0 that it sees half-way in λ', async () => {
    const run = await record(
      dpmSolverPlusPlus2S({ times: uneven }),
      skewed.process(schedule, vPrediction),
      NOISE,
    );
    expectSteps(run, ({ x, x0, from, to }) => {
      if (to.sigma === 0) return x0;
      const h = lambda(to) - lambda(from);
      const s = schedule.level(schedule.timeOf(2 * (lambda(from) + h / 2)));
      const u = sum([s.sigma / from.sigma, x], [-s.alpha * Math.expm1(-h / 2), x0]);
      return sum([to.sigma / from.sigma, x], [-to.alpha * Math.expm1(-h), skewed.x0(u, s, FACTORS)]);
    });
  });
}, ['cpu']);

/** Solves a linear system by Gauss and Jordan with the largest pivots. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let k = 0; k < rows.length; k++) {
    const best = rows.slice(k).reduce((a, b) => (Math.abs(b[k]!) > Math.abs(a[k]!) ? b : a));
    rows.splice(rows.indexOf(best), 1);
    rows.splice(k, 0, best);
    rows.forEach((row, i) => {
      if (i === k) return;
      const factor = row[k]! / best[k]!;
      row.forEach((_, j) => {
        row[j]! -= factor * best[j]!;
      });
    });
  }
  return rows.map((row, i) => row.at(-1)! / row[i]!);
}

onEachBackend(() => {
  for (const order of [1, 2, 3] as const) {
    for (const b of [bh1, bh2]) {
      test(`unipc of order ${order} by ${b.name} corrects where it arrives and predicts from there, as in the paper`, async () => {
        const run = await record(
          unipc({ times: uneven, order, b }),
          skewed.process(schedule, epsilonPrediction),
          NOISE,
        );
        const total = run.x.length;
        const seen: { level: NoiseLevel; x0: Batch }[] = [];
        // What the solver carries on with and does not show.
        let corrected: Batch = NOISE;
        const formula = (
          from: Batch,
          to: NoiseLevel,
          known: readonly { level: NoiseLevel; x0: Batch }[],
          arrival?: Batch,
        ): Batch => {
          const [now, ...past] = known as [(typeof known)[number], ...(typeof known)[number][]];
          const h = lambda(to) - lambda(now.level);
          const others = [
            ...past.map(({ level, x0 }) => ({ r: (lambda(level) - lambda(now.level)) / h, x0 })),
            ...(arrival ? [{ r: 1, x0: arrival }] : []),
          ];
          // φ_k(−h) by their integrals: φ_{k+1}(z) = ∫ e^{(1−u)z} u^k/k! du.
          const factorial = [1, 1, 2, 6];
          const right = others.map((_, i) => {
            const phi = integral((u) => (Math.exp((u - 1) * h) * u ** (i + 1)) / factorial[i + 1]!, 0, 1);
            return (factorial[i + 1]! * -h * phi) / b(-h);
          });
          const matrix = others.map((_, i) => others.map(({ r }) => r ** i));
          const rhos = others.length === 1 ? [0.5] : solve(matrix, right);
          return sum(
            [to.sigma / now.level.sigma, from],
            [-to.alpha * Math.expm1(-h), now.x0],
            ...others.flatMap(({ r, x0 }, k) => {
              const factor = (-to.alpha * b(-h) * rhos[k]!) / r;
              return [[factor, x0] as const, [-factor, now.x0] as const];
            }),
          );
        };
        const orderAt = (index: number): number => Math.min(order, index + 1, total - index);
        expectSteps(
          run,
          ({ x, from, to, index }) => {
            const x0 = skewed.x0(x, from, FACTORS);
            if (index > 0) corrected = formula(corrected, from, seen.slice(0, orderAt(index - 1)), x0);
            seen.unshift({ level: from, x0 });
            return to.sigma === 0 ? x0 : formula(corrected, to, seen.slice(0, orderAt(index)));
          },
          { absolute: 5e-5 },
        );
      });
    }
  }
}, ['cpu']);

const ALL: readonly (readonly [string, (times: Times) => Sampler, evaluations: (steps: number) => number])[] =
  [
    ['euler', (times) => euler({ times }), (n) => n],
    ['dpm2', (times) => dpm2({ times }), (n) => 2 * n - 1],
    ['2S', (times) => dpmSolverPlusPlus2S({ times }), (n) => 2 * n - 1],
    ['lms', (times) => lms({ times }), (n) => n],
    ['pndm', (times) => pndm({ times }), (n) => (n === 1 ? 1 : n + 1)],
    ['deis', (times) => deis({ times, order: 3 }), (n) => n],
    ['unipc', (times) => unipc({ times, order: 3 }), (n) => n],
    ['unipc by B₁', (times) => unipc({ times, order: 3, b: bh1 }), (n) => n],
  ];

onEachBackend(() => {
  for (const [name, make, evaluations] of ALL) {
    test(`${name} asks the network as often as its paper says, in one step, in two and in all that there are`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      for (const steps of [1, 2, 9, 40]) {
        let asked = 0;
        const counting: typeof reverse = {
          ...reverse,
          denoiser(...question) {
            asked += 1;
            return reverse.denoiser(...question);
          },
        };
        const reached = await end(make(trailing(steps)), counting, NOISE);
        expect(asked).toBe(evaluations(steps));
        expect(reached.flat().every(Number.isFinite)).toBe(true);
      }
      expect(() => make(trailing(41))(reverse, undefined as never)).toThrow(
        'n is 41, expected at most the 40 steps of the schedule',
      );
    });

    test(`${name} begins at pure noise with Euler’s step, and stays finite`, async () => {
      for (const [on, predicts] of [
        [rescaleToZeroTerminalSnr(schedule), vPrediction],
        [rectified(), flowPrediction],
      ] as const satisfies readonly (readonly [NoiseSchedule, unknown])[]) {
        for (const steps of [1, 2, 3, 16]) {
          const reverse = skewed.process(on, predicts);
          const [run, plain] = [
            await record(make(trailing(steps)), reverse, NOISE),
            await record(euler({ times: trailing(steps) }), reverse, NOISE),
          ];
          expect(run.from[0]!.logSnr).toBe(Number.NEGATIVE_INFINITY);
          expect(run.x[1] ?? run.end).toEqual(plain.x[1] ?? plain.end);
          expect(Math.max(...run.end.flat().map(Math.abs))).toBeLessThan(10);
        }
      }
    });
  }
}, ['cpu']);

test('an order that a solver does not have is refused', () => {
  for (const order of [0, 5, 1.5, Number.NaN])
    expect(() => lms({ order: order as 1 })).toThrow(`order must be 1, 2, 3 or 4, not ${order}`);
  for (const make of [deis, unipc]) {
    for (const order of [0, 4, 1.5, Number.NaN])
      expect(() => make({ order: order as 1 })).toThrow(`order must be 1, 2 or 3, not ${order}`);
  }
});
