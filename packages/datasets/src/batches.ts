import { rng } from '@diffusion-ts/tensor';
import { type Batch, type Dataset, disposeBatch } from './dataset.js';
import { permutation } from './permutation.js';

/**
 * Shuffled batches without end. The epochs, each a fresh permutation of the dataset, follow each other as one stream
 * that is cut into batches of `size`: every example comes exactly once in every epoch, every batch is full, and a batch
 * may reach from one epoch into the next.
 *
 * Batch k depends on (seed, size, k) alone, augmentations included, so k is all that a resumed run has to know. The next
 * batch is made while the last one is in use. A batch is valid until the next one is asked for: the generator frees it.
 *
 * @throws RangeError where `size` is no positive integer, `start` no whole number, `seed` not in 0 … 2⁵³ − 1, or `share` none
 * that the batch can be divided into; while iterating, the reason of the `signal` once it is aborted, and whatever the dataset throws.
 * @example
 * for await (const { x0, condition } of batches(digits, { size: 64, seed: 1 })) {
 *   console.log(x0.shape, condition?.label?.shape); // 64,28,28,1 64
 *   break;
 * }
 */
export function batches(
  dataset: Dataset,
  {
    size,
    seed,
    start = 0,
    share: { rank, size: ranks } = { rank: 0, size: 1 },
    signal,
  }: {
    /** Examples in a batch, from 1 on. */
    size: number;
    /** What the order and the augmentations come from: a whole number in 0 … 2⁵³ − 1. */
    seed: number;
    /** The number k of the first batch; default 0. */
    start?: number;
    /** The part of every batch to make, where several ranks train together: that of `rank`, of `size` equal ones. Default all. */
    share?: { readonly rank: number; readonly size: number };
    /** Ends the batches: the generator then throws `signal.reason`. */
    signal?: AbortSignal;
  },
): AsyncGenerator<Batch, void, void> {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size is ${size}, expected a whole number of at least 1`);
  }
  if (!Number.isSafeInteger(start) || start < 0) {
    throw new RangeError(`start is ${start}, expected a whole number of at least 0`);
  }
  const rows = size / ranks;
  if (!Number.isInteger(rows) || !Number.isInteger(rank) || rank < 0 || rank >= ranks) {
    throw new RangeError(
      `share is that of rank ${rank} of ${ranks}, expected a rank of so many that a batch of ${size} divides among them`,
    );
  }
  const first = rank * rows;
  const random = rng(seed).fork('batches');

  let epoch = -1;
  let order: Uint32Array = new Uint32Array();
  function exampleAt(position: number): number {
    const wanted = Math.floor(position / dataset.size);
    if (wanted !== epoch) {
      epoch = wanted;
      order = permutation(dataset.size, seed, epoch);
    }
    return order[position % dataset.size]!;
  }
  // Async, so that a dataset that throws at once fails like one that rejects.
  const load = async (k: number): Promise<Batch> =>
    dataset.batch(
      Array.from({ length: rows }, (_, i) => exampleAt(k * size + first + i)),
      random.fork(k).rows(first),
    );

  return prefetched(load, start, signal);
}

async function* prefetched(
  load: (k: number) => Promise<Batch>,
  start: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Batch, void, void> {
  signal?.throwIfAborted();
  let next = load(start);
  try {
    for (let k = start; ; k++) {
      const batch = await next;
      next = load(k + 1);
      // If it fails while nobody waits for it, the failure is reported when it is asked for.
      next.catch(() => {});
      try {
        signal?.throwIfAborted();
        yield batch;
        signal?.throwIfAborted();
      } finally {
        disposeBatch(batch);
      }
    }
  } finally {
    await next.then(disposeBatch, () => {});
  }
}
