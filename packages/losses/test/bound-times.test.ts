import { cosine, fromBetas, linear, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inclusion, systematic } from '../src/bound-times.js';

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

/** σ² = 2⁻⁸, 2⁻⁷ … 2⁻¹: every step but the first erases the same, ln 2. */
const even = fromBetas(
  Array.from({ length: 8 }, (_, t) => {
    const alphaBar = (t: number) => (t < 0 ? 1 : 1 - 2 ** (t - 8));
    return 1 - alphaBar(t) / alphaBar(t - 1);
  }),
);

/** The expectation over u of `f` of the times chosen, exactly: between two breaks the choice does not change. */
function expectation(probabilities: Float64Array, f: (times: number[]) => number): number {
  let end = 0;
  const breaks = [0, 1];
  for (const probability of probabilities) {
    if (probability === 1) continue;
    end += probability;
    breaks.push(end % 1);
  }
  breaks.sort((a, b) => a - b);
  return sum(
    breaks.slice(1).map((to, i) => {
      const from = breaks[i]!;
      return to - from < 1e-12 ? 0 : (to - from) * f(systematic(probabilities, (from + to) / 2));
    }),
  );
}

describe('the probabilities with which terms of the bound are evaluated', () => {
  it('are positive, at most 1, certain at index 0, and sum to the number asked for', () => {
    for (const schedule of [
      linear({ steps: 1000 }),
      cosine({ steps: 1000 }),
      cosine({ steps: 50 }),
      rescaleToZeroTerminalSnr(linear({ steps: 50 })),
    ]) {
      for (const count of [2, 16, 40]) {
        const probabilities = inclusion(schedule, schedule.steps, count);
        expect(probabilities.length).toBe(schedule.steps);
        expect(sum(probabilities)).toBeCloseTo(count, 9);
        expect(probabilities[0]).toBe(1);
        expect(Math.min(...probabilities)).toBeGreaterThan(0);
        expect(Math.max(...probabilities)).toBe(1);
      }
    }
  });

  it('are 1 for every term where as many are asked for, or more', () => {
    for (const count of [50, 51, 1e9]) {
      expect([...inclusion(cosine({ steps: 50 }), 50, count)]).toEqual(new Array(50).fill(1));
    }
  });

  it('are equal for steps that erase as much as each other', () => {
    const probabilities = inclusion(even, 8, 3);
    expect(probabilities[0]).toBe(1);
    for (const probability of probabilities.slice(1)) expect(probability).toBeCloseTo(2 / 7, 12);
  });

  it('are half of them equal and half in proportion to the fall of ln(1 + SNR), up to 1', () => {
    const schedule = linear({ steps: 200 });
    const probabilities = inclusion(schedule, 200, 20);
    const information = (t: number) => Math.log1p(Math.exp(schedule.level(t).logSnr));
    const share = (t: number) =>
      (information(t - 1) - information(t)) / (information(0) - information(199)) + 1 / 199;
    const later = Array.from({ length: 199 }, (_, i) => i + 1);
    const factors = later.filter((t) => probabilities[t]! < 1).map((t) => probabilities[t]! / share(t));
    expect(factors.length).toBeGreaterThan(150);
    for (const factor of factors) expect(factor / factors[0]!).toBeCloseTo(1, 9);
    // Those that are certain would have had more than 1.
    for (const t of later.filter((t) => probabilities[t] === 1)) {
      expect(factors[0]! * share(t)).toBeGreaterThanOrEqual(1);
    }
  });

  it('are never less than half of equal chances, so that no term has a weight of more than twice theirs', () => {
    for (const schedule of [
      cosine({ steps: 1000 }),
      linear({ steps: 1000 }),
      fromBetas(new Array(400).fill(0.9)),
    ]) {
      for (const count of [2, 16]) {
        const least = Math.min(...inclusion(schedule, schedule.steps, count));
        // What is certain, index 0 and others, leaves that much less to share.
        const certain = inclusion(schedule, schedule.steps, count).filter((p) => p === 1).length;
        expect(least).toBeGreaterThanOrEqual(((count - certain) / (schedule.steps - 1)) * 0.5);
      }
    }
  });
});

describe('systematic sampling', () => {
  it('chooses each time as often as its probability says, and always as many', () => {
    const probabilities = inclusion(linear({ steps: 100 }), 100, 10);
    const grid = 20_000;
    const chosen = new Float64Array(100);
    for (let i = 0; i < grid; i++) {
      const times = systematic(probabilities, (i + 0.5) / grid);
      expect(times.length).toBe(10);
      for (const t of times) chosen[t]! += 1 / grid;
    }
    chosen.forEach((frequency, t) => {
      expect(Math.abs(frequency - probabilities[t]!)).toBeLessThan(2 / grid);
    });
  });

  it('chooses in order, each time once, and always those that are certain', () => {
    const probabilities = inclusion(cosine({ steps: 60 }), 60, 25);
    for (const u of [0, 0.25, 0.5, 0.999]) {
      const times = systematic(probabilities, u);
      expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      probabilities.forEach((probability, t) => {
        if (probability === 1) expect(times).toContain(t);
      });
    }
  });

  it('makes Σ L_t/π_t over the chosen the sum of all L_t on average over u, exactly, whatever the terms', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 24 }),
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 24, maxLength: 24 }),
        fc.constantFrom('linear', 'cosine', 'even'),
        (count, terms, name) => {
          const schedule = { linear: linear({ steps: 24 }), cosine: cosine({ steps: 24 }), even }[name]!;
          const own = terms.slice(0, schedule.steps);
          const probabilities = inclusion(schedule, schedule.steps, count);
          const average = expectation(probabilities, (times) =>
            sum(times.map((t) => own[t]! / probabilities[t]!)),
          );
          expect(average).toBeCloseTo(sum(own), 9);
        },
      ),
    );
  });

  it('has one time less at the last u before 1 where the probabilities sum to a whole number', () => {
    expect(systematic(Float64Array.of(1, 0.5, 0.75, 0.75), 0.5)).toEqual([0, 2, 3]);
    expect(systematic(Float64Array.of(1, 0.5, 0.75, 0.75), 1 - 2 ** -53).length).toBe(2);
  });
});
