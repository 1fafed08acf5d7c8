import { expectAllClose, golden } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rectified } from '../src/index.js';

interface FlowRow {
  readonly name: string;
  readonly config: { readonly shift: number };
  readonly inference_steps: number;
  readonly sigmas: readonly number[];
}

const shifts = fc.double({ min: 0.01, max: 100, noNaN: true });
const part = fc.integer({ min: 0, max: 2 ** 30 }).map((k) => k / 2 ** 30);

describe('rectified', () => {
  it('is the straight path, α = 1 − t and σ = t, where nothing is shifted', () => {
    fc.assert(
      fc.property(part, (t) => {
        const { alpha, sigma } = rectified().level(t);
        expect([alpha, sigma]).toEqual([1 - t, t]);
      }),
    );
  });

  it('stays on that path, α + σ = 1, whatever the shift', () => {
    fc.assert(
      fc.property(shifts, part, (shift, t) => {
        const { alpha, sigma } = rectified({ shift }).level(t);
        expectAllClose(alpha + sigma, 1, { relative: 1e-15, absolute: 0 });
      }),
    );
  });

  it('multiplies noise to signal by the shift, eq. 23 of Esser et al. 2024', () => {
    fc.assert(
      fc.property(shifts, part, (shift, t) => {
        const { sigma } = rectified({ shift }).level(t);
        expectAllClose(sigma, (shift * t) / (1 + (shift - 1) * t), { relative: 1e-12, absolute: 0 });
      }),
    );
    const { alpha, sigma } = rectified({ shift: 3 }).level(0.5);
    expect([alpha, sigma]).toEqual([0.25, 0.75]);
  });

  it('has the levels of diffusers where it visits times evenly, from pure noise to what it shifts 0.001 to', () => {
    const rows = golden<{ rows: FlowRow[] }>('flow').rows.filter(({ name }) => name === 'flow Euler');
    expect(rows.map(({ config }) => config.shift)).toEqual([1, 3, 1, 3]);
    for (const { config, inference_steps: steps, sigmas } of rows) {
      const schedule = rectified({ shift: config.shift });
      const least = schedule.level(0.001).sigma;
      const evenly = Array.from({ length: steps }, (_, i) => 1 - ((1 - least) * i) / (steps - 1));
      const levels = evenly.map((t) => schedule.level(t).sigma);
      expectAllClose(levels, sigmas.slice(0, -1), { relative: 2e-6, absolute: 0 });
    }
  });

  it('ends in pure noise exactly, whatever the shift', () => {
    fc.assert(
      fc.property(shifts, (shift) => {
        expect(rectified({ shift }).level(1)).toEqual({
          t: 1,
          alpha: 0,
          sigma: 1,
          logSnr: Number.NEGATIVE_INFINITY,
        });
      }),
    );
  });

  it('goes from 0 to 1, and a list of times ends at 0.001 before it goes to the data', () => {
    const { steps, start, least, end } = rectified();
    expect([steps, start, least, end]).toEqual([undefined, 0, 1e-3, 1]);
  });

  it('finds the time of a level without signal, and of one that is nearly so', () => {
    const s = rectified({ shift: 2 });
    expect(s.timeOf(Number.NEGATIVE_INFINITY)).toBe(1);
    expectAllClose(s.timeOf(2 * Math.log(1e-9)), 1 - 2e-9, { relative: 1e-15, absolute: 0 });
  });

  it('refuses a shift that is not positive', () => {
    expect(() => rectified({ shift: 0 })).toThrow(new RangeError('shift is 0, expected a positive number'));
    expect(() => rectified({ shift: Number.NaN })).toThrow('shift is NaN');
  });
});
