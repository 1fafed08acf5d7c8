import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, disposeBatch } from '../src/index.js';
import { mnist } from '../src/node.js';

beforeAll(() => useBackend('cpu'));

/** The mean and the standard deviation of the pixels as numbers in [0, 1], and how often each label occurs. */
async function statistics(dataset: Dataset) {
  const counts = new Array<number>(10).fill(0);
  let sum = 0;
  let squares = 0;
  for (let first = 0; first < dataset.size; first += 1000) {
    const batch = await dataset.batch(Array.from({ length: 1000 }, (_, i) => first + i));
    for (const x of batch.x0.dataSync()) {
      const pixel = (x + 1) / 2;
      sum += pixel;
      squares += pixel * pixel;
    }
    for (const label of batch.condition!.label!.dataSync()) counts[label]! += 1;
    disposeBatch(batch);
  }
  const mean = sum / (dataset.size * 784);
  return { mean, deviation: Math.sqrt(squares / (dataset.size * 784) - mean * mean), counts };
}

describe('mnist', () => {
  it('trains on 60,000 digits with the known mean 0.1306605, deviation 0.3081 and label counts', async () => {
    const dataset = await mnist({ split: 'train' });
    expect([dataset.size, dataset.shape, dataset.range]).toEqual([60_000, [28, 28, 1], [-1, 1]]);
    expect(dataset.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const { mean, deviation, counts } = await statistics(dataset);
    expect(mean).toBeCloseTo(0.1306605, 6);
    expect(deviation).toBeCloseTo(0.3081078, 6);
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  });

  it('tests on 10,000 others, the first of which is a seven', async () => {
    const dataset = await mnist({ split: 'test' });
    const { mean, counts } = await statistics(dataset);
    expect(mean).toBeCloseTo(0.1325146, 6);
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect((await dataset.batch([0])).condition!.label!.dataSync()[0]).toBe(7);
  });

  it('refuses another split', async () => {
    await expect(mnist({ split: 'validation' as 'test' })).rejects.toThrow(
      new RangeError("split is validation, expected 'train' or 'test'"),
    );
  });
});
