import { expectNoLeak, onEachBackend, useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkerboard, moons, ringOfGaussians, spiral, swissRoll } from '../src/index.js';
import { allPoints } from './plane.js';

const sets = Object.entries({ checkerboard, ringOfGaussians, moons, spiral, swissRoll });

describe.each(sets)('%s', (_, make) => {
  beforeAll(() => useBackend('cpu'));

  it('has as many points of the plane as asked for, and its range is about [−1, 1]', async () => {
    const dataset = make({ size: 5000, seed: 1 });
    expect([dataset.size, dataset.shape]).toEqual([5000, [2]]);
    const numbers = (await allPoints(dataset)).flatMap(({ x, y }) => [x, y]);
    expect(dataset.range).toEqual([Math.min(...numbers), Math.max(...numbers)]);
    expect(dataset.range[0]).toBeGreaterThan(-1.15);
    expect(dataset.range[0]).toBeLessThan(-0.8);
    expect(dataset.range[1]).toBeGreaterThan(0.8);
    expect(dataset.range[1]).toBeLessThan(1.15);
  });

  it('is centred within a quarter', async () => {
    const all = await allPoints(make({ size: 5000, seed: 1 }));
    expect(Math.abs(all.reduce((sum, { x }) => sum + x, 0) / 5000)).toBeLessThan(0.25);
    expect(Math.abs(all.reduce((sum, { y }) => sum + y, 0) / 5000)).toBeLessThan(0.25);
  });

  it('has the same points for the same seed, more of them where more are asked for, others for another seed', async () => {
    const few = await allPoints(make({ size: 10, seed: 1 }));
    const many = await allPoints(make({ size: 20, seed: 1 }));
    expect(many.slice(0, 10)).toEqual(few);
    expect(await allPoints(make({ size: 10, seed: 2 }))).not.toEqual(few);
  });

  it('refuses a size that is no whole number', () => {
    expect(() => make({ size: 0, seed: 1 })).toThrow(
      new RangeError('size is 0, expected a whole number of at least 1'),
    );
  });
});

onEachBackend(() => {
  it('points are made without leaving a tensor behind', async () => {
    await expectNoLeak(() => {
      moons({ size: 10, seed: 1 });
    });
  });
});
