import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, onEachBackend, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Batch, batches, type Dataset, fromArrays } from '../src/index.js';

/** A dataset whose example i is the number i. */
function counting(size: number): Dataset {
  return fromArrays({ values: Float32Array.from({ length: size }, (_, i) => i), shape: [1] });
}

async function take(source: AsyncIterable<Batch>, count: number): Promise<number[][]> {
  const taken: number[][] = [];
  for await (const { x0 } of source) {
    taken.push([...x0.dataSync()]);
    if (taken.length === count) break;
  }
  return taken;
}

describe('batches', () => {
  beforeAll(() => useBackend('cpu'));

  it('give every example once in every epoch, also where batches straddle epochs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 12 }),
        fc.maxSafeNat(),
        async (length, size, seed) => {
          const epochs = 3;
          const taken = await take(
            batches(counting(length), { size, seed }),
            Math.ceil((epochs * length) / size),
          );
          const stream = taken.flat();
          for (let epoch = 0; epoch < epochs; epoch++) {
            const examples = stream.slice(epoch * length, (epoch + 1) * length).sort((a, b) => a - b);
            expect(examples).toEqual(Array.from({ length }, (_, i) => i));
          }
          expect(taken.every((batch) => batch.length === size)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are shuffled anew in every epoch', async () => {
    const [first, second] = await take(batches(counting(50), { size: 50, seed: 3 }), 2);
    expect(first).not.toEqual(second);
  });

  it('resume at batch k as if they had never stopped', async () => {
    const all = await take(batches(counting(10), { size: 4, seed: 5 }), 12);
    for (const start of [0, 1, 2, 7]) {
      const resumed = await take(batches(counting(10), { size: 4, seed: 5, start }), 12 - start);
      expect(resumed).toEqual(all.slice(start));
    }
  });

  it('of several ranks are, one after the other, those of one, and what is drawn for an example is the same', async () => {
    const noisy: Dataset = {
      size: 7,
      shape: [2],
      range: [0, 7],
      async batch(indices, random) {
        const drawn = random!.uniform([indices.length, 1]);
        const x0 = tf.tidy(() =>
          tf.concat([tf.tensor2d([...Array.from(indices)], [indices.length, 1]), drawn], 1),
        );
        drawn.dispose();
        return { x0 };
      },
    };
    const options = { size: 6, seed: 5, start: 1 };
    const whole = await take(batches(noisy, options), 4);
    for (const size of [1, 2, 3, 6]) {
      const parts = await Promise.all(
        Array.from({ length: size }, (_, rank) =>
          take(batches(noisy, { ...options, share: { rank, size } }), 4),
        ),
      );
      expect(whole.map((_, k) => parts.flatMap((own) => own[k]!))).toEqual(whole);
    }
  });

  it.each([
    [0, 4],
    [2, 2],
    [-1, 2],
    [0.5, 2],
    [0, 0],
  ])('refuse the share of rank %d of %d', (rank, size) => {
    expect(() => batches(counting(9), { size: 6, seed: 0, share: { rank, size } })).toThrow(
      `share is that of rank ${rank} of ${size}, expected a rank of so many that a batch of 6 divides among them`,
    );
  });

  it('differ between seeds', async () => {
    const once = await take(batches(counting(50), { size: 50, seed: 1 }), 1);
    expect(await take(batches(counting(50), { size: 50, seed: 2 }), 1)).not.toEqual(once);
  });

  it('give the dataset a source of randomness that depends on the seed and k alone', async () => {
    const noisy: Dataset = {
      size: 5,
      shape: [1],
      range: [0, 1],
      batch: async (indices, random) => ({ x0: random!.uniform([indices.length, 1]) }),
    };
    const all = await take(batches(noisy, { size: 3, seed: 9 }), 4);
    expect(await take(batches(noisy, { size: 3, seed: 9, start: 2 }), 2)).toEqual(all.slice(2));
    expect(all[0]).not.toEqual(all[1]);
    // Not the numbers that a run with the same seed draws for something else.
    expect(all[0]).not.toEqual([...rng(9).fork(0).uniform([3, 1]).dataSync()]);
  });

  it('load one batch ahead, and no further', async () => {
    let loaded = 0;
    const dataset: Dataset = {
      ...counting(8),
      batch: async () => {
        loaded += 1;
        return { x0: tf.scalar(0) };
      },
    };
    const source = batches(dataset, { size: 2, seed: 0 });
    expect(loaded).toBe(0);
    await source.next();
    expect(loaded).toBe(2);
    await source.next();
    expect(loaded).toBe(3);
    await source.return();
    expect(loaded).toBe(3);
  });

  it('free a batch when the next one is asked for', async () => {
    const source = batches(counting(8), { size: 2, seed: 0 });
    const first = (await source.next()).value as Batch;
    expect(first.x0.isDisposed).toBe(false);
    await source.next();
    expect(first.x0.isDisposed).toBe(true);
    await source.return();
  });

  it('throw the reason of the signal once it is aborted, and leave no tensor behind', async () => {
    await expectNoLeak(async () => {
      const controller = new AbortController();
      const source = batches(counting(8), { size: 2, seed: 0, signal: controller.signal });
      await source.next();
      controller.abort(new Error('enough'));
      await expect(source.next()).rejects.toThrow('enough');
      expect((await source.next()).done).toBe(true);
    });
    const aborted = AbortSignal.abort(new Error('too late'));
    await expect(batches(counting(8), { size: 2, seed: 0, signal: aborted }).next()).rejects.toThrow(
      'too late',
    );
  });

  it('report a batch that fails when it is asked for, not before, and leave no tensor behind', async () => {
    await expectNoLeak(async () => {
      let calls = 0;
      const good = counting(8);
      const failing: Dataset = {
        ...good,
        batch: (indices) => {
          calls += 1;
          if (calls === 2) throw new RangeError('a bad file');
          return good.batch(indices);
        },
      };
      const source = batches(failing, { size: 2, seed: 0 });
      const first = await source.next();
      await new Promise((resolve) => setImmediate(resolve));
      expect((first.value as Batch).x0.isDisposed).toBe(false);
      await expect(source.next()).rejects.toThrow('a bad file');
    });
  });

  it.each([0, 1.5, Number.NaN])('refuse size = %s', (size) => {
    expect(() => batches(counting(2), { size, seed: 0 })).toThrow(
      new RangeError(`size is ${size}, expected a whole number of at least 1`),
    );
  });

  it('refuse a start or a seed that is no whole number, before anything is loaded', () => {
    expect(() => batches(counting(2), { size: 1, seed: 0, start: -1 })).toThrow(
      new RangeError('start is -1, expected a whole number of at least 0'),
    );
    expect(() => batches(counting(2), { size: 1, seed: 0.5 })).toThrow(/seed must be a whole number/);
  });
});

onEachBackend(() => {
  it('the same batches come on every backend, and leave no tensor behind when the loop ends', async () => {
    await expectNoLeak(async () => {
      expect(await take(batches(counting(6), { size: 4, seed: 11 }), 3)).toEqual([
        [5, 2, 3, 4],
        [1, 0, 3, 5],
        [0, 1, 4, 2],
      ]);
    });
  });
});
