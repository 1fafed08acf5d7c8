import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { varianceExploding } from '../src/index.js';

describe('varianceExploding', () => {
  it('has α = 1 and σ = t, whatever σ', () => {
    const s = varianceExploding();
    fc.assert(
      fc.property(fc.double({ min: 1e-100, max: 80, noNaN: true }), (sigma) => {
        expect(s.level(sigma)).toEqual({ t: sigma, alpha: 1, sigma, logSnr: -2 * Math.log(sigma) });
      }),
    );
  });

  it('defaults to the paper’s 0.002 and 80', () => {
    const { steps, start, least, end } = varianceExploding();
    expect([steps, start, least, end]).toEqual([undefined, 0, 0.002, 80]);
  });

  it('never finds a time beyond sigmaMax, also of the log-SNR next to its own', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e4, noNaN: true }), (sigmaMax) => {
        const s = varianceExploding({ sigmaMax });
        const { logSnr } = s.level(sigmaMax);
        expect(s.timeOf(logSnr)).toBe(sigmaMax);
        expect(s.timeOf(logSnr + Math.abs(logSnr) * 2 ** -52)).toBeLessThanOrEqual(sigmaMax);
      }),
    );
  });

  it('refuses bounds that are not positive, and in the wrong order', () => {
    expect(() => varianceExploding({ sigmaMin: 0 })).toThrow(
      new RangeError('sigmaMin is 0, expected a positive number'),
    );
    expect(() => varianceExploding({ sigmaMax: Number.POSITIVE_INFINITY })).toThrow('sigmaMax is Infinity');
    expect(() => varianceExploding({ sigmaMin: 1, sigmaMax: 1 })).toThrow(
      new RangeError('sigmaMin is 1, expected less than sigmaMax, which is 1'),
    );
  });
});
