import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { fromAlphaBars } from '../src/index.js';
import { alphaBars } from './levels.js';

describe('fromAlphaBars', () => {
  it('has ᾱ_t = f((t+1)/T) where f starts at 1', () => {
    const f = (u: number) => Math.exp(-5 * u * u);
    expectAllClose(
      alphaBars(fromAlphaBars(f, { steps: 100 })),
      Array.from({ length: 100 }, (_, t) => f((t + 1) / 100)),
      { relative: 1e-12 },
    );
  });

  it('does not change when f is multiplied by a constant', () => {
    const once = fromAlphaBars((u) => 1 - 0.9 * u, { steps: 10 });
    const thrice = fromAlphaBars((u) => 3 - 2.7 * u, { steps: 10 });
    expectAllClose(alphaBars(thrice), alphaBars(once), { relative: 1e-13, absolute: 0 });
  });

  it('clips β at maxBeta, and lets it reach 1 without one', () => {
    const f = (u: number) => 1 - u;
    expect(fromAlphaBars(f, { steps: 4, maxBeta: 0.4 }).betas.at(-1)).toBe(0.4);
    expect(fromAlphaBars(f, { steps: 4 }).betas.at(-1)).toBe(1);
    expectAllClose(alphaBars(fromAlphaBars(f, { steps: 4 })), [0.75, 0.5, 0.25, 0], {
      relative: 1e-15,
      absolute: 0,
    });
  });

  it('refuses a function that does not fall, naming the step', () => {
    expect(() => fromAlphaBars((u) => 1 + u, { steps: 4 })).toThrow(
      new RangeError('f goes from 1 at 0/4 to 1.25 at 1/4, expected it to decrease and stay positive'),
    );
    expect(() => fromAlphaBars((u) => 1 - 2 * u, { steps: 4 })).toThrow('to -0.5 at 3/4');
    expect(() => fromAlphaBars(() => Number.NaN, { steps: 4 })).toThrow(RangeError);
  });

  it.each([0, -1, 1.1, Number.NaN])('refuses maxBeta = %s', (maxBeta) => {
    expect(() => fromAlphaBars((u) => 1 - u, { steps: 4, maxBeta })).toThrow(
      new RangeError(`maxBeta is ${maxBeta}, expected a number in (0, 1]`),
    );
  });
});
