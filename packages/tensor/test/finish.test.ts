import { expect, it } from 'vitest';
import { finish } from '../src/index.js';

async function* countdown(from: number): AsyncGenerator<number, string> {
  for (let n = from; n > 0; n--) yield n;
  return 'lift-off';
}

it('returns what the generator returns, after showing every value in order', async () => {
  const seen: number[] = [];
  expect(await finish(countdown(3), (n) => seen.push(n))).toBe('lift-off');
  expect(seen).toEqual([3, 2, 1]);
});

it('waits for each value to be dealt with before it asks for the next', async () => {
  const events: string[] = [];
  async function* two(): AsyncGenerator<number, void> {
    events.push('make 1');
    yield 1;
    events.push('make 2');
    yield 2;
  }
  await finish(two(), async (n) => {
    await Promise.resolve();
    events.push(`use ${n}`);
  });
  expect(events).toEqual(['make 1', 'use 1', 'make 2', 'use 2']);
});

it('passes on what the generator throws', async () => {
  async function* broken(): AsyncGenerator<number, void> {
    yield 1;
    throw new Error('no more');
  }
  await expect(finish(broken())).rejects.toThrow('no more');
});
