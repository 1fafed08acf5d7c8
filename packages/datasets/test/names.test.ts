import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, it } from 'vitest';
import { names, spell } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('names are spelled in 27 classes, the blank the first of them', async () => {
  const data = names();
  expect(data.range).toEqual([0, 26]);
  expect(data.shape).toEqual([8]);
  const { x0 } = await data.batch(Array.from({ length: data.size }, (_, i) => i));
  const rows = x0.arraySync() as number[][];
  expect(rows[0]).toEqual([1, 1, 18, 15, 14, 0, 0, 0]);
  const spelled = rows.map(spell);
  expect(spelled[0]).toBe('aaron');
  expect(spelled.every((name) => /^[a-z]{2,8}$/.test(name))).toBe(true);
  expect(new Set(spelled).size).toBe(data.size);
});

it('spells a mask as a dot', () => {
  expect(spell([1, 27, 2, 0, 0])).toBe('a·b');
});
