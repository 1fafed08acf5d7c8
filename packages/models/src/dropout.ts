import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Dropout (Srivastava et al. 2014): every number is set to zero with probability `rate` and divided by 1 − rate
 * otherwise, so that the mean stays. Without an `rng` nothing is dropped.
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, rng: Rng | undefined): T {
  if (rate === 0 || rng === undefined) return x;
  return tf.tidy(() => {
    const kept = tf.cast(tf.greaterEqual(rng.uniform(x.shape), rate), 'float32');
    return tf.mul(x, tf.div(kept, 1 - rate));
  });
}
