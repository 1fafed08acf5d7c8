import { type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import { classesOf } from './classes.js';
import type { RunConfig } from './config/schema.js';
import { isDense } from './loss.js';

const BATCH = 256;

/**
 * −L_null of the first `count` examples in bits per dimension, what the simplest model of them needs, against which
 * Sohl-Dickstein et al. 2015 measure theirs (table 1): of classes independent ones with the shares that they have in these
 * data, whatever the place; of numbers an isotropic Gaussian with their mean and variance, and of images what it gives to a
 * grey value, 1/127.5 wide, since that is what a bound on them counts.
 */
export async function nullBits(
  data: RunConfig['data'],
  dataset: Dataset,
  count: number = dataset.size,
): Promise<number> {
  const classes = classesOf(data);
  const examples = Math.min(count, dataset.size);
  const places = dataset.shape.reduce((product, n) => product * n, 1);
  const shares = new Float64Array(classes ?? 0);
  const [sums, squares] = [new Float64Array(places), new Float64Array(places)];
  for (let first = 0; first < examples; first += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, examples - first) }, (_, i) => first + i);
    const batch = await dataset.batch(indices);
    const values = await batch.x0.data<'float32'>();
    disposeBatch(batch);
    values.forEach((value, n) => {
      if (classes !== undefined) shares[value]! += 1 / (examples * places);
      sums[n % places]! += value / examples;
      squares[n % places]! += value ** 2 / examples;
    });
  }
  if (classes !== undefined) return shares.reduce((bits, p) => bits - (p > 0 ? p * Math.log2(p) : 0), 0);
  const variance = squares.reduce((sum, square, i) => sum + (square - sums[i]! ** 2) / places, 0);
  const density = Math.log2(2 * Math.PI * Math.E * variance) / 2;
  return isDense(data) ? density : density + Math.log2(127.5);
}
