import { expectAllClose, golden } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { karras } from '../src/index.js';

const rows =
  golden<{ n: number; sigma_min: number; sigma_max: number; rho: number; sigmas: number[] }[]>('karras');

describe('karras', () => {
  it.each(rows)('matches the reference at $n steps', ({ n, sigma_min, sigma_max, rho, sigmas }) => {
    const actual = karras({ steps: n, sigmaMin: sigma_min, sigmaMax: sigma_max, rho });
    expectAllClose(actual, sigmas, { relative: 1e-12, absolute: 0 });
  });

  it('defaults to the paper’s 0.002, 80 and 7', () => {
    expect(karras({ steps: 10 })).toEqual(karras({ steps: 10, sigmaMin: 0.002, sigmaMax: 80, rho: 7 }));
  });

  it('is linear in σ where ρ = 1', () => {
    expectAllClose(karras({ steps: 4, sigmaMin: 1, sigmaMax: 10, rho: 1 }), [10, 7, 4, 1], {
      relative: 1e-14,
    });
  });

  it('is sigmaMax alone at one step', () => {
    expectAllClose(karras({ steps: 1 }), [80], { relative: 1e-14, absolute: 0 });
  });

  it('refuses bounds in the wrong order and arguments that are not positive', () => {
    expect(() => karras({ steps: 10, sigmaMin: 2, sigmaMax: 1 })).toThrow(
      new RangeError('sigmaMin is 2, expected at most sigmaMax, which is 1'),
    );
    expect(() => karras({ steps: 10, sigmaMin: 0 })).toThrow('sigmaMin is 0, expected a positive number');
    expect(() => karras({ steps: 10, rho: Number.NaN })).toThrow('rho is NaN, expected a positive number');
    expect(() => karras({ steps: 0 })).toThrow('steps is 0, expected a whole number of at least 1');
  });
});
