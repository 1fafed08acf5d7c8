import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { spiral } from '../src/index.js';
import { allPoints, mean, rms } from './plane.js';

beforeAll(() => useBackend('cpu'));

describe('spiral', () => {
  it('has two arms at the angle 3π r, half a turn apart, with noise of 0.02', async () => {
    const dataset = spiral({ size: 20_000, seed: 3 });
    expect(dataset.classes).toEqual(['first', 'second']);
    const all = await allPoints(dataset);
    const across: number[] = [];
    for (const { x, y, label } of all) {
      const radius = Math.hypot(x, y);
      if (radius < 0.5) continue;
      const turn = Math.atan2(y, x) + (label === 0 ? 0 : Math.PI);
      const wanted = radius * 3 * Math.PI;
      const angle = turn + 2 * Math.PI * Math.round((wanted - turn) / (2 * Math.PI));
      across.push(radius - angle / (3 * Math.PI));
    }
    // Noise along the arm leaks in by its slope, 1/φ with φ ≥ 1.5π: 2 % at most.
    expect(rms(across)).toBeGreaterThan(0.0195);
    expect(rms(across)).toBeLessThan(0.0212);
    // r² is uniform: a quarter of the points lie within half the radius.
    expect(mean(all.map(({ x, y }) => (Math.hypot(x, y) < 0.5 ? 1 : 0)))).toBeCloseTo(0.25, 1.8);
    expect(mean(all.map(({ label }) => label!))).toBeCloseTo(0.5, 1.8);
  });
});
