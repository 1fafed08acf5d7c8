import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantFraction, fromBetas, linear, rescaleToZeroTerminalSnr } from '../src/index.js';
import { alphaBars, expectNoNaN, Instance } from './levels.js';

describe('rescaleToZeroTerminalSnr', () => {
  it('ends at no signal, starts where the schedule did, and moves √ᾱ linearly in between', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-5, max: 0.9, noNaN: true }), { minLength: 2, maxLength: 40 }),
        (betas) => {
          const before = fromBetas(betas);
          const after = rescaleToZeroTerminalSnr(before);
          expectNoNaN(after);
          const end = before.steps - 1;
          expect(after.level(end)).toMatchObject({
            t: end,
            alpha: 0,
            sigma: 1,
            logSnr: Number.NEGATIVE_INFINITY,
          });
          expect(after.betas.at(-1)).toBe(1);
          const first = before.level(0).alpha;
          expectAllClose(after.level(0).alpha, first, { relative: 1e-12, absolute: 0 });
          const slope = first / (first - before.level(end).alpha);
          for (let t = 1; t < before.steps; t++) {
            const fall = (s: typeof before) => s.level(t - 1).alpha - s.level(t).alpha;
            expectAllClose(fall(after), slope * fall(before), { relative: 1e-6, absolute: 1e-12 });
          }
        },
      ),
    );
  });

  it('leaves a schedule that ends at no signal as it is', () => {
    const schedule = constantFraction({ steps: 20 });
    expectAllClose(alphaBars(rescaleToZeroTerminalSnr(schedule)), alphaBars(schedule), {
      relative: 1e-12,
      absolute: 0,
    });
  });

  it('asks a schedule for its levels as a method, so that it may be an instance of a class', () => {
    const schedule = linear({ steps: 100 });
    expect(rescaleToZeroTerminalSnr(new Instance(schedule)).betas).toEqual(
      rescaleToZeroTerminalSnr(schedule).betas,
    );
  });

  it('refuses a schedule of one step', () => {
    expect(() => rescaleToZeroTerminalSnr(fromBetas([0.5]))).toThrow(
      new RangeError('schedule has 1 step, expected at least 2 to rescale'),
    );
  });
});
