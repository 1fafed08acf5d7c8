import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, it } from 'vitest';
import { moons, withoutLabels } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

it('keeps every example and drops its class', async () => {
  const labelled = moons({ size: 8, seed: 1 });
  const plain = withoutLabels(labelled);
  const wanted = await labelled.batch([5, 0]);
  const { x0, labels } = await plain.batch([5, 0]);
  expect([...x0.dataSync()]).toEqual([...wanted.x0.dataSync()]);
  expect(wanted.labels).toBeDefined();
  expect(labels).toBeUndefined();
  expect(plain.classes).toBeUndefined();
  expect([plain.size, plain.shape, plain.range]).toEqual([labelled.size, labelled.shape, labelled.range]);
});

it('frees the labels that it drops', () => {
  const plain = withoutLabels(moons({ size: 8, seed: 1 }));
  return expectNoLeak(() => plain.batch([1, 2, 3]));
});
