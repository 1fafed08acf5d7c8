import * as tf from '@tensorflow/tfjs-core';
import { type Dataset, derived } from './dataset.js';

/** The same examples in black and white: 1 where a number lies above the middle of the range, else 0. */
export function binarised(dataset: Dataset): Dataset {
  const middle = (dataset.range[0] + dataset.range[1]) / 2;
  return derived(dataset, {
    range: [0, 1],
    async batch(indices, random) {
      const { x0, ...rest } = await dataset.batch(indices, random);
      const bits = tf.tidy(() => tf.cast(tf.greater(x0, middle), 'float32'));
      x0.dispose();
      return { x0: bits, ...rest };
    },
  });
}
