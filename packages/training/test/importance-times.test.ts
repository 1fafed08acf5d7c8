import { rectified } from '@diffusion-ts/schedules';
import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, test } from 'vitest';
import { importanceTimes } from '../src/importance-times.js';
import type { LossHistory, TimeDraw } from '../src/time-sampler.js';
import { mean } from './moments.js';
import { discrete } from './schedules.js';

beforeAll(() => useBackend('cpu'));

/** A source of one number, which must be asked for with its 53 bits. */
const startingAt = (u: number): Rng => ({
  ...rng(0),
  uniform: () => expect.fail('24 bits are too few'),
  doubles: (count) => new Float64Array(count).fill(u),
});

function drawn(u: number, size: number, steps: number, history: LossHistory): TimeDraw {
  return importanceTimes().draw(startingAt(u), size, discrete(steps), history);
}

const ten = (loss: number): number[] => new Array<number>(10).fill(loss);

/** Eq. 18 of Nichol & Dhariwal with a thousandth of uniform, from the root mean squares of the losses. */
function mixed(moments: readonly number[]): number[] {
  const total = moments.reduce((sum, moment) => sum + moment, 0);
  return moments.map((moment) => (0.999 * moment) / total + 0.001 / moments.length);
}

/**
 * Asserts the probability of every t, for each example of a batch alone, to 1e-12, and that its count in a batch is the
 * expected one to within one: as the start u goes from 0 to 1, example i goes through all t in order, and is looked at on
 * either side of where it must pass from one to the next.
 */
function expectProbabilities(p: readonly number[], size: number, history: LossHistory): void {
  const steps = p.length;
  let bound = 0;
  p.forEach((probability, t) => {
    const next = t + 1 < steps ? t + 1 : 0;
    bound = t + 1 < steps ? bound + probability : 1;
    for (let i = 0; i < size; i++) {
      const [before, after] = [-5e-13, 5e-13].map((off) => {
        const u = (((bound - i / size + off) % 1) + 1) % 1;
        const draw = drawn(u, size, steps, history).t;
        expectCounts(p, draw);
        return draw[i];
      });
      expect([before, after], `example ${i} at the end of ${t}`).toEqual([t, next]);
    }
  });
}

function expectCounts(p: readonly number[], draw: Float64Array): void {
  const counts = p.map(() => 0);
  for (const t of draw) counts[t]! += 1;
  const worst = Math.max(...counts.map((count, t) => Math.abs(count - draw.length * p[t]!)));
  if (worst >= 1) expect.fail(`a count is off by ${worst}`);
}

test('times are uniform until each of them has ten losses', () => {
  for (const history of [[], [ten(1), ten(2), ten(3).slice(1)], [ten(1), ten(1)]]) {
    expectProbabilities([1 / 3, 1 / 3, 1 / 3], 4, history);
    expect(Array.from(drawn(0.1, 3, 3, history).weights)).toEqual([1, 1, 1]);
  }
});

test('then p(t) is proportional to the root mean square of the last ten losses', () => {
  const both = [3, 3, 3, 3, 3, 4, 4, 4, 4, 4]; // mean square 12.5
  expectProbabilities(mixed([1, 6, Math.sqrt(12.5)]), 5, [ten(1), ten(6), both]);
});

test('of a thousand times every one has its probability to 1e-12, and a batch its expected count of it within one', () => {
  // Losses as they are, over four decades and falling with t; some times have only ever seen 0.
  const moments = Array.from({ length: 1000 }, (_, t) =>
    t % 97 === 5 ? 0 : Math.exp(-9 * (t / 1000) ** 0.5),
  );
  const p = mixed(moments);
  expect(Math.min(...p)).toBeCloseTo(1e-6, 12);
  expectProbabilities(p, 1, moments.map(ten));
  for (const size of [1, 16, 128, 1000]) {
    for (let seed = 0; seed < 20; seed++) {
      expectCounts(p, importanceTimes().draw(rng(seed), size, discrete(1000), moments.map(ten)).t);
    }
  }
});

test('the rarest of 10⁵ times, p = 1e-8, has its stretch of starts to the last of 53 bits', () => {
  const steps = 100_000;
  const history = Array.from({ length: steps }, (_, t) => ten(t === steps - 1 ? 1 : 0));
  const p = 0.001 / steps;
  for (const t of [1, 7, 5000]) {
    // The grid of 2⁻⁵³, and the rounding of the sum of p so far.
    const off = 2 ** -53 + t * p * t * 2 ** -53;
    const around = [t * p - off, t * p + off, (t + 1) * p - off, (t + 1) * p + off];
    expect(around.map((u) => drawn(u, 1, steps, history).t[0])).toEqual([t - 1, t, t, t + 1]);
    expect(drawn((t + 0.5) * p, 1, steps, history).weights[0]).toBeCloseTo(1000, 6);
    // Of a grid of 2⁻²⁴, six times as wide, it holds one point or none.
    expect(p * 2 ** 24).toBeLessThan(0.17);
  }
});

test('weighted with 1/(T p), losses of whatever size have the mean that uniform times would give', () => {
  const history = [0.1, 0.5, 2, 0].map(ten);
  const p = mixed([0.1, 0.5, 2, 0]);
  const losses = [3, -1, 4, 10];
  const size = 3;
  // Between these starts the draw stays the same, so that the integral over the start is a sum.
  const cumulative = p.map((_, t) => p.slice(0, t).reduce((sum, one) => sum + one, 0));
  const bounds = cumulative.flatMap((bound) => [0, 1, 2].map((i) => (bound - i / size + 1) % 1));
  const starts = [0, ...bounds, 1].toSorted((a, b) => a - b);
  const integral = starts.slice(1).reduce((sum, end, k) => {
    const start = starts[k]!;
    const { t, weights } = drawn((start + end) / 2, size, 4, history);
    return sum + (end - start) * mean(Array.from(t, (time, i) => weights[i]! * losses[time]!));
  }, 0);
  expect(integral).toBeCloseTo(mean(losses), 11);
});

test('a time whose losses were all 0 keeps being looked at', () => {
  expectProbabilities([0.0005, 0.9995], 2, [ten(0), ten(1)]);
  expectProbabilities([0.5, 0.5], 2, [ten(0), ten(0)]);
});

test('the history keeps the last ten losses of each time, and survives JSON unchanged', () => {
  const history: LossHistory = [];
  const sampler = importanceTimes();
  for (let i = 0; i < 12; i++) {
    sampler.observe!(history, discrete(3), Float64Array.of(0, 2), Float32Array.of(i + 0.1, 7));
  }
  expect(history.map((losses) => losses.length)).toEqual([10, 0, 10]);
  expect(history[0]![0]).toBe(Math.fround(2.1));
  expect(history[0]![9]).toBe(Math.fround(11.1));
  expect(JSON.parse(JSON.stringify(history))).toEqual(history);
});

test('a schedule of continuous time, which has no times to remember, is refused', () => {
  const refusal = new RangeError(
    'importanceTimes remembers the losses of every timestep, and a schedule of continuous time has none',
  );
  const sampler = importanceTimes();
  expect(() => sampler.draw(rng(0), 4, rectified(), [])).toThrow(refusal);
  expect(() => sampler.observe!([], rectified(), Float64Array.of(0.5), [1])).toThrow(refusal);
});

test('drawing leaves no tensor behind', () =>
  expectNoLeak(() => void importanceTimes().draw(rng(1), 3, discrete(10), [])));
