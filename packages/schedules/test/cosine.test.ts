import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import { cosine } from '../src/index.js';
import { alphaBars } from './levels.js';

describe('cosine', () => {
  it('is cos² of an angle that grows linearly, until β is clipped', () => {
    expectAllClose(
      alphaBars(cosine({ steps: 50, offset: 0 })).slice(0, 49),
      Array.from({ length: 49 }, (_, t) => Math.cos((((t + 1) / 50) * Math.PI) / 2) ** 2),
      { relative: 1e-11, absolute: 0 },
    );
  });

  it('clips the last β at maxBeta', () => {
    expect(cosine({ steps: 100 }).betas.at(-1)).toBe(0.999);
    expect(cosine({ steps: 100, maxBeta: 0.5 }).betas.at(-1)).toBe(0.5);
  });

  it('refuses a negative offset', () => {
    expect(() => cosine({ steps: 10, offset: -0.1 })).toThrow(
      new RangeError('offset is -0.1, expected a number of at least 0'),
    );
  });
});
