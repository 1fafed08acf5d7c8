import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continuous } from '../src/index.js';

const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));

describe('continuous', () => {
  it('has α = cos and σ = sin of πu/2 where the log-SNR is −2 ln tan(πu/2)', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1, noNaN: true }), (u) => {
        const { alpha, sigma } = cosine.level(u);
        expectAllClose([alpha, sigma], [Math.cos((Math.PI * u) / 2), Math.sin((Math.PI * u) / 2)], {
          relative: 1e-9,
          absolute: 1e-15,
        });
      }),
    );
  });

  it('has α² and σ² as the logistic function of ±λ', () => {
    const { alpha, sigma, logSnr } = continuous((u) => 3 - 4 * u).level(0.5);
    expect(logSnr).toBe(1);
    expectAllClose([alpha ** 2, sigma ** 2], [Math.E / (1 + Math.E), 1 / (1 + Math.E)], { relative: 1e-15 });
  });

  it('goes from 0 to 1, and a list of times ends at 0.001 before it goes to the data', () => {
    const { steps, start, least, end } = cosine;
    expect([steps, start, least, end]).toEqual([undefined, 0, 1e-3, 1]);
  });

  it('finds times of curves that are steep here and flat there', () => {
    const bent = continuous((u) => 10 - 20 * u ** 9);
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 1, noNaN: true }), (u) => {
        // Where the curve is flat many times have one log-SNR; the first of them is found.
        const { logSnr } = bent.level(u);
        const found = bent.timeOf(logSnr);
        expect(found).toBeLessThanOrEqual(u);
        expect(bent.level(found).logSnr).toBe(logSnr);
      }),
    );
  });

  it('takes infinite ends as they are', () => {
    const s = continuous((u) => 2 * Math.log((1 - u) / u));
    expect(s.level(1)).toEqual({ t: 1, alpha: 0, sigma: 1, logSnr: Number.NEGATIVE_INFINITY });
    expect(s.timeOf(Number.NEGATIVE_INFINITY)).toBe(1);
    expect(s.timeOf(Number.POSITIVE_INFINITY)).toBe(0);
  });

  it('refuses a log-SNR in its leap to the data, where λ(0) is finite', () => {
    const s = continuous((u) => 10 - 20 * u);
    expect(s.level(s.timeOf(10)).logSnr).toBe(10);
    expect(s.timeOf(Number.POSITIVE_INFINITY)).toBe(0);
    expect(() => s.timeOf(10.5)).toThrow(
      new RangeError(
        'logSnr is 10.5, expected at most 10, from where the schedule leaps to the data, or Infinity',
      ),
    );
  });

  it('refuses a function that does not fall', () => {
    expect(() => continuous((u) => u)).toThrow(
      new RangeError('logSnr goes from 0 over 0.5 to 1, expected it to decrease'),
    );
    expect(() => continuous((u) => Math.abs(u - 0.5))).toThrow('goes from 0.5 over 0 to 0.5');
    expect(() => continuous(() => Number.NaN)).toThrow(RangeError);
  });
});
