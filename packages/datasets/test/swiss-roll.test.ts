import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { swissRoll } from '../src/index.js';
import { allPoints, rms } from './plane.js';

beforeAll(() => useBackend('cpu'));

describe('swissRoll', () => {
  it('lies on the spiral r = φ/4.5π with noise of 0.02, its angle uniform', async () => {
    const all = await allPoints(swissRoll({ size: 20_000, seed: 3 }));
    const across: number[] = [];
    const angles: number[] = [];
    for (const { x, y } of all) {
      // Of the angles that differ by whole turns, the one whose arm is nearest.
      const radius = Math.hypot(x, y);
      const turn = Math.atan2(y, x);
      const wanted = radius * 4.5 * Math.PI;
      const angle = turn + 2 * Math.PI * Math.round((wanted - turn) / (2 * Math.PI));
      angles.push(angle);
      across.push(radius - angle / (4.5 * Math.PI));
    }
    // Noise along the arm leaks in by the slope of the spiral, one part in φ: 2 % at most.
    expect(rms(across)).toBeGreaterThan(0.0195);
    expect(rms(across)).toBeLessThan(0.021);
    for (const share of [0.25, 0.5, 0.75]) {
      const below = angles.filter((angle) => angle < 1.5 * Math.PI * (1 + 2 * share)).length / all.length;
      expect(below).toBeCloseTo(share, 1.8);
    }
  });
});
