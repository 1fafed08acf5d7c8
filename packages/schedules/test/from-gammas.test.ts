import { describe, expect, it } from 'vitest';
import { fromGammas } from '../src/index.js';

describe('fromGammas', () => {
  it('has −γ as its log-SNR at every step, also where almost nothing is noise', () => {
    const gammas = Float64Array.from({ length: 50 }, (_, i) => -25 + i * 0.7);
    const schedule = fromGammas(gammas);
    gammas.forEach((gamma, t) => {
      expect(Math.abs(schedule.level(t).logSnr + gamma)).toBeLessThan(1e-9);
    });
  });

  it('refuses a γ that does not rise, by its index, and an empty list', () => {
    expect(() => fromGammas([-1, 0, 0])).toThrow(
      'gammas[2] is 0, expected more than gammas[1], 0: noise grows',
    );
    expect(() => fromGammas([0, Number.NaN])).toThrow('gammas[1] is NaN');
    expect(() => fromGammas([])).toThrow(RangeError);
  });
});
