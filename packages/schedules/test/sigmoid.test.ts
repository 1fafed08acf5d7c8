import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { sigmoid } from '../src/index.js';
import { alphaBars } from './levels.js';

describe('sigmoid', () => {
  it('is symmetric about its middle when start = −end: ᾱ(u) + ᾱ(1−u) = 1', () => {
    const table = alphaBars(sigmoid({ steps: 100 }));
    const mirrored = Array.from({ length: 99 }, (_, t) => 1 - table[98 - t]!);
    expectAllClose(table.slice(0, 99), mirrored, { relative: 1e-10, absolute: 1e-12 });
    expect(table[49]).toBeCloseTo(0.5, 12);
  });

  it('depends on start/tau and end/tau alone', () => {
    const a = sigmoid({ steps: 30, start: -3, end: 3, tau: 0.5 });
    const b = sigmoid({ steps: 30, start: -6, end: 6, tau: 1 });
    expectAllClose(a.betas, b.betas, { relative: 1e-9, absolute: 0 });
  });

  it('tends to ᾱ = 1 − u as tau grows', () => {
    const table = alphaBars(sigmoid({ steps: 10, tau: 1e4 }));
    expectAllClose(table.slice(0, 9), [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], { relative: 1e-6 });
  });

  it('refuses bounds in the wrong order, and a tau that is not positive', () => {
    expect(() => sigmoid({ steps: 10, start: 3, end: -3 })).toThrow(
      new RangeError('start is 3 and end is -3, expected start to be the lower one'),
    );
    expect(() => sigmoid({ steps: 10, tau: 0 })).toThrow(
      new RangeError('tau is 0, expected a positive number'),
    );
  });

  it('refuses a tau so small that ᾱ no longer falls', () => {
    expect(() => sigmoid({ steps: 10, tau: 0.01 })).toThrow('f goes from 1 at 0/10 to 1 at 1/10');
  });
});
