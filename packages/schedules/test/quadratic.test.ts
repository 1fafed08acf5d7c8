import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { quadratic } from '../src/index.js';

describe('quadratic', () => {
  it('is linear in √β', () => {
    const { betas } = quadratic({ steps: 5, start: 0.01, end: 0.25 });
    expectAllClose(betas.map(Math.sqrt), [0.1, 0.2, 0.3, 0.4, 0.5], { relative: 1e-14, absolute: 0 });
  });

  it('defaults to 0.00085 and 0.012 scaled by 1000/steps', () => {
    const { betas } = quadratic({ steps: 500 });
    expectAllClose([betas[0]!, betas[499]!], [0.0017, 0.024], { relative: 1e-14, absolute: 0 });
  });

  it('refuses its defaults at 12 steps, and takes them at 13', () => {
    expect(() => quadratic({ steps: 12 })).toThrow('take at least 13 steps');
    expect(quadratic({ steps: 13 }).betas.at(-1)).toBeCloseTo(12 / 13, 12);
  });
});
