import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, it } from 'vitest';
import { heartbeat } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('heartbeats are a 1 in every fifth of twenty places, in five phases as likely as one another', async () => {
  const data = heartbeat({ size: 2000, seed: 1 });
  expect(data.range).toEqual([0, 1]);
  const { x0 } = await data.batch(Array.from({ length: 2000 }, (_, i) => i));
  const rows = x0.arraySync() as number[][];
  const counts = [0, 0, 0, 0, 0];
  for (const row of rows) {
    const phase = row.indexOf(1);
    counts[phase]! += 1;
    expect(row).toEqual(Array.from({ length: 20 }, (_, i) => Number(i % 5 === phase)));
  }
  // Four standard errors of a share of one fifth.
  for (const count of counts) expect(Math.abs(count - 400)).toBeLessThan(4 * Math.sqrt(2000 * 0.2 * 0.8));
  expect(() => heartbeat({ size: 0, seed: 1 })).toThrow(
    new RangeError('size is 0, expected a whole number of at least 1'),
  );
});
