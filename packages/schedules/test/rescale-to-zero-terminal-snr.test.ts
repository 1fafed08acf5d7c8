import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantFraction, fromBetas, linear, rescaleToZeroTerminalSnr, respace } from '../src/index.js';
import { expectNoNaN } from './every-table.js';

describe('rescaleToZeroTerminalSnr', () => {
  it('ends at no signal, starts where the schedule did, and moves √ᾱ linearly in between', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-5, max: 0.9, noNaN: true }), { minLength: 2, maxLength: 40 }),
        (betas) => {
          const before = fromBetas(betas);
          const after = rescaleToZeroTerminalSnr(before);
          expectNoNaN(after);
          expect([after.alphaBars.at(-1), after.betas.at(-1), after.snr.at(-1)]).toEqual([0, 1, 0]);
          expectAllClose(after.alphaBars[0]!, before.alphaBars[0]!, { relative: 1e-12, absolute: 0 });
          const slope =
            Math.sqrt(before.alphaBars[0]!) /
            (Math.sqrt(before.alphaBars[0]!) - Math.sqrt(before.alphaBars.at(-1)!));
          for (let t = 1; t < before.steps; t++) {
            const fall = (s: typeof before) => Math.sqrt(s.alphaBars[t - 1]!) - Math.sqrt(s.alphaBars[t]!);
            expectAllClose(fall(after), slope * fall(before), { relative: 1e-6, absolute: 1e-12 });
          }
        },
      ),
    );
  });

  it('leaves a schedule that ends at no signal as it is', () => {
    const schedule = constantFraction({ steps: 20 });
    expectAllClose(rescaleToZeroTerminalSnr(schedule).alphaBars, schedule.alphaBars, {
      relative: 1e-12,
      absolute: 0,
    });
  });

  it('keeps the timesteps of a respaced schedule', () => {
    const schedule = respace(linear({ steps: 1000 }), 'ddim4');
    expect([...rescaleToZeroTerminalSnr(schedule).timesteps]).toEqual([0, 250, 500, 750]);
  });

  it('refuses a schedule of one step', () => {
    expect(() => rescaleToZeroTerminalSnr(fromBetas([0.5]))).toThrow(
      new RangeError('schedule has 1 step, expected at least 2 to rescale'),
    );
  });
});
