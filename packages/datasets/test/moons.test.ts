import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { moons } from '../src/index.js';
import { allPoints, mean, rms } from './plane.js';

beforeAll(() => useBackend('cpu'));

describe('moons', () => {
  it('are two half circles of radius 2/3 with noise of 0.03, one the other turned by half a turn', async () => {
    const dataset = moons({ size: 20_000, seed: 3 });
    expect(dataset.classes).toEqual(['upper', 'lower']);
    const all = await allPoints(dataset);
    const across: number[] = [];
    const heights: number[] = [];
    for (const { x, y, label } of all) {
      const side = label === 0 ? 1 : -1;
      const [dx, dy] = [side * x + 1 / 3, side * y + 1 / 6];
      if (dy > 0.1) across.push(Math.hypot(dx, dy) - 2 / 3);
      heights.push(dy);
    }
    expect(rms(across)).toBeGreaterThan(0.0295);
    expect(rms(across)).toBeLessThan(0.0305);
    // The mean of (2/3) sin over half a turn.
    expect(mean(heights)).toBeCloseTo(4 / (3 * Math.PI), 2);
    expect(Math.min(...heights)).toBeGreaterThan(-0.15);
    expect(mean(all.map(({ label }) => label!))).toBeCloseTo(0.5, 1.8);
  });
});
