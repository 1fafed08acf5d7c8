import { expectAllClose, golden } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantFraction, linear, type Respacing, respace } from '../src/index.js';
import { expectNoNaN } from './every-table.js';

const rows =
  golden<{ steps: number; spec: string; timesteps: number[]; betas: number[]; base: string }[]>('respacing');

/** The golden file writes specs as command-line text: 'ddim50', '25', '10,15,20'. */
function parse(spec: string): Respacing {
  if (spec.startsWith('ddim')) return spec as `ddim${number}`;
  const counts = spec.split(',').map(Number);
  return counts.length === 1 ? counts[0]! : counts;
}

describe('respace', () => {
  it.each(rows)('matches the reference for $spec of $steps steps', ({ steps, spec, timesteps, betas }) => {
    const schedule = respace(linear({ steps, start: 1e-4, end: 0.02 }), parse(spec));
    expect([...schedule.timesteps]).toEqual(timesteps);
    expectAllClose(schedule.betas, betas, { relative: 1e-9, absolute: 1e-15 });
  });

  it('keeps ᾱ of the kept steps exactly, and β that multiplies up to it, whatever the counts', () => {
    const sections = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sections, fc.integer({ min: 0, max: 100 }), (counts, more) => {
        const steps = Math.max(...counts) * counts.length + more;
        const base = linear({ steps, start: 1e-4, end: 0.05 });
        const s = respace(base, counts);
        expectNoNaN(s);
        expect(s.steps).toBe(counts.reduce((a, b) => a + b));
        let product = 1;
        s.timesteps.forEach((t, i) => {
          if (i > 0) expect(t).toBeGreaterThan(s.timesteps[i - 1]!);
          expect(s.alphaBars[i]).toBe(base.alphaBars[t]);
          product *= 1 - s.betas[i]!;
          expectAllClose(product, s.alphaBars[i]!, { relative: 1e-11, absolute: 0 });
        });
      }),
    );
  });

  it('keeps the first and the last step of each section', () => {
    const { timesteps } = respace(linear({ steps: 100 }), [3, 2]);
    // The middle of 0 … 49 is 24.5, and halves go to the even neighbour.
    expect([...timesteps]).toEqual([0, 24, 49, 50, 99]);
  });

  it('makes the first sections longer where they cannot be equal', () => {
    expect([...respace(linear({ steps: 50 }), [1, 1, 1]).timesteps]).toEqual([0, 17, 34]);
  });

  it('leaves a schedule alone when every step is kept', () => {
    const base = linear({ steps: 30 });
    const same = respace(base, 30);
    expect(same.alphaBars).toEqual(base.alphaBars);
    expectAllClose(same.betas, base.betas, { relative: 1e-15, absolute: 0 });
    expectAllClose(same.posteriorVariance, base.posteriorVariance, { relative: 1e-14, absolute: 0 });
  });

  it('composes: the timesteps of a respaced schedule respaced again are those of the original', () => {
    const base = linear({ steps: 1000 });
    const twice = respace(respace(base, 'ddim100'), 'ddim10');
    const once = respace(base, 'ddim10');
    expect([...twice.timesteps]).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    expect(twice.alphaBars).toEqual(once.alphaBars);
    expectAllClose(twice.betas, once.betas, { relative: 1e-12, absolute: 0 });
  });

  it('keeps the last β of 1 where the schedule ends at no signal', () => {
    const s = respace(constantFraction({ steps: 40 }), 5);
    expectNoNaN(s);
    expect([s.timesteps.at(-1), s.betas.at(-1), s.alphaBars.at(-1)]).toEqual([39, 1, 0]);
  });

  it('takes the stride of ddimN from the first step, also where N does not divide the steps', () => {
    expect([...respace(linear({ steps: 100 }), 'ddim34').timesteps].slice(-2)).toEqual([96, 99]);
  });

  it('refuses a ddimN that no stride gives, and names the nearest that some stride does', () => {
    expect(() => respace(linear({ steps: 100 }), 'ddim30')).toThrow(
      new RangeError(
        "spec is 'ddim30', but no constant stride over 100 steps keeps 30: the nearest are 25 or 34",
      ),
    );
    expect(() => respace(linear({ steps: 100 }), 'ddim101')).toThrow('the nearest are 100');
  });

  it('keeps the last step of each of N equal parts with trailingN, halves going to the even neighbour', () => {
    const kept = (steps: number, n: number) => [...respace(linear({ steps }), `trailing${n}`).timesteps];
    expect(kept(1000, 10)).toEqual([99, 199, 299, 399, 499, 599, 699, 799, 899, 999]);
    // 1000/16 = 62.5 becomes 62, 187.5 becomes 188.
    expect(kept(1000, 16).slice(0, 3)).toEqual([61, 124, 187]);
    expect(kept(1000, 1)).toEqual([999]);
    expect(kept(30, 30)).toEqual(Array.from({ length: 30 }, (_, t) => t));
    for (let n = 1; n <= 100; n++) {
      const all = kept(100, n);
      expect([new Set(all).size, all.at(-1)]).toEqual([n, 99]);
      // No part is more than one step longer than another.
      const parts = all.map((t, i) => t - (all[i - 1] ?? -1));
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
    }
  });

  it('refuses a trailingN of more steps than there are', () => {
    expect(() => respace(linear({ steps: 40 }), 'trailing41')).toThrow(
      new RangeError("spec is 'trailing41', expected at most the 40 steps of the schedule"),
    );
    expect(() => respace(linear({ steps: 40 }), 'trailing0')).toThrow("N of 'trailing0' is 0");
  });

  it('refuses a section that keeps more steps than it has', () => {
    expect(() => respace(linear({ steps: 40 }), [10, 21])).toThrow(
      new RangeError('spec keeps 21 steps of a section of 20, expected at most 20'),
    );
  });

  it('refuses counts that are no whole numbers, empty lists and other words', () => {
    const base = linear({ steps: 40 });
    expect(() => respace(base, 0)).toThrow('spec is 0, expected a whole number of at least 1');
    expect(() => respace(base, [5, 2.5])).toThrow('spec[1] is 2.5, expected a whole number of at least 1');
    expect(() => respace(base, [])).toThrow('spec is an empty list');
    expect(() => respace(base, 'ddim0')).toThrow("N of 'ddim0' is 0, expected a whole number");
    expect(() => respace(base, '25' as Respacing)).toThrow("spec is '25', expected a number");
  });
});
