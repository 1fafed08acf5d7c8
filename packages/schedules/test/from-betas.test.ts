import { describe, expect, it } from 'vitest';
import { between, fromBetas } from '../src/index.js';
import { expectNoNaN } from './levels.js';

describe('fromBetas', () => {
  it('works out 0.5, 0.5 by hand: ᾱ is a half and a quarter, the SNR 1 and 1/3', () => {
    const s = fromBetas([0.5, 0.5]);
    expect(s.level(0)).toMatchObject({ t: 0, alpha: Math.SQRT1_2, sigma: Math.SQRT1_2, logSnr: 0 });
    expect(s.level(1)).toMatchObject({ t: 1, alpha: 0.5, sigma: Math.sqrt(0.75), logSnr: Math.log(1 / 3) });
    expect([s.steps, s.start, s.least, s.end]).toEqual([2, -1, 0, 1]);
  });

  it('copies the betas, so that the schedule does not change with them', () => {
    const betas = Float64Array.of(0.1, 0.2);
    const s = fromBetas(betas);
    betas[0] = 0.9;
    expect([...s.betas]).toEqual([0.1, 0.2]);
  });

  it('allows a last β of 1, where the SNR is 0 and its logarithm −Infinity', () => {
    const s = fromBetas([0.5, 1]);
    expectNoNaN(s);
    expect(s.level(1)).toMatchObject({ t: 1, alpha: 0, sigma: 1, logSnr: Number.NEGATIVE_INFINITY });
    // From pure noise x_t says nothing about x_{t−1}, which is q(x_{t−1} | x_0).
    const { ofX0, ofXt, variance, beta } = between(s.level(0), s.level(1));
    expect([ofX0, ofXt, beta]).toEqual([Math.SQRT1_2, 0, 1]);
    expect(variance).toBeCloseTo(0.5, 15);
  });

  it.each([0, -0.1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses β = %s by its index', (beta) => {
    expect(() => fromBetas([0.1, beta, 0.2])).toThrow(
      new RangeError(`betas[1] is ${beta}, expected a number in (0, 1)`),
    );
  });

  it('refuses a β of 1 before the last step, saying that only the last may be 1', () => {
    expect(() => fromBetas([0.1, 1, 0.2])).toThrow(
      new RangeError('betas[1] is 1, but only the last β may be 1: nothing is left of x_0 after it'),
    );
  });

  it('refuses an empty table', () => {
    expect(() => fromBetas([])).toThrow(new RangeError('betas is empty, expected at least one β'));
  });
});
