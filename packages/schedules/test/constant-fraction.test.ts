import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantFraction } from '../src/index.js';
import { alphaBars, expectNoNaN } from './levels.js';

describe('constantFraction', () => {
  it('erases the fraction 1/T of the signal at every step, whatever T', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (steps) => {
        const schedule = constantFraction({ steps });
        expectNoNaN(schedule);
        const falling = schedule.betas.map((_, t) => 1 - (t + 1) / steps);
        expectAllClose(alphaBars(schedule), falling, { relative: 1e-9, absolute: 1e-14 });
        expect(schedule.level(steps - 1)).toMatchObject({
          t: steps - 1,
          alpha: 0,
          sigma: 1,
          logSnr: Number.NEGATIVE_INFINITY,
        });
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a number of steps that is not whole', () => {
    expect(() => constantFraction({ steps: 1.5 })).toThrow('steps is 1.5, expected a whole number');
  });
});
