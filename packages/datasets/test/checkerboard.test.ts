import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkerboard } from '../src/index.js';
import { allPoints, mean } from './plane.js';

beforeAll(() => useBackend('cpu'));

describe('checkerboard', () => {
  it('fills the eight dark squares evenly and touches no white one', async () => {
    const all = await allPoints(checkerboard({ size: 16_000, seed: 3 }));
    const counts = new Map<string, number>();
    for (const { x, y } of all) {
      const [column, row] = [Math.floor(2 * (x + 1)), Math.floor(2 * (y + 1))];
      expect((column + row) % 2).toBe(0);
      expect(Math.max(column, row)).toBeLessThan(4);
      counts.set(`${column},${row}`, (counts.get(`${column},${row}`) ?? 0) + 1);
    }
    expect(counts.size).toBe(8);
    const chiSquared = [...counts.values()].reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
    // 7 degrees of freedom: 24.3 is passed once in a thousand seeds.
    expect(chiSquared).toBeLessThan(24.3);
    // Uniform within a square: the fraction of the way across it has mean 1/2 and variance 1/12.
    const fractions = all.flatMap(({ x, y }) => [2 * (x + 1), 2 * (y + 1)]).map((v) => v - Math.floor(v));
    expect(mean(fractions)).toBeCloseTo(0.5, 1.8);
    expect(mean(fractions.map((f) => (f - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
  });
});
