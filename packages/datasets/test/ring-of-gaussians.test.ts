import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { ringOfGaussians } from '../src/index.js';
import { allPoints, mean } from './plane.js';

beforeAll(() => useBackend('cpu'));

describe('ringOfGaussians', () => {
  it('has eight equal Gaussians of deviation 0.05 on a circle of radius 0.8, labelled by their angle', async () => {
    const all = await allPoints(ringOfGaussians({ size: 40_000, seed: 3 }));
    for (let k = 0; k < 8; k++) {
      const own = all.filter(({ label }) => label === k);
      expect(own.length / all.length).toBeCloseTo(1 / 8, 2);
      const [mx, my] = [mean(own.map(({ x }) => x)), mean(own.map(({ y }) => y))];
      expect(mx).toBeCloseTo(0.8 * Math.cos((k * Math.PI) / 4), 2);
      expect(my).toBeCloseTo(0.8 * Math.sin((k * Math.PI) / 4), 2);
      const covariance = (f: (dx: number, dy: number) => number) =>
        mean(own.map(({ x, y }) => f(x - mx, y - my)));
      expect(covariance((dx) => dx * dx)).toBeCloseTo(0.0025, 3.5);
      expect(covariance((_, dy) => dy * dy)).toBeCloseTo(0.0025, 3.5);
      expect(covariance((dx, dy) => dx * dy)).toBeCloseTo(0, 3.5);
    }
  });
});
