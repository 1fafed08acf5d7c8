import * as tf from '@tensorflow/tfjs-core';

/**
 * The entries `table[t_i]` as float32 `[batch, 1, …, 1]` of the given rank, ready to broadcast over a batch.
 * `t` is int32 `[batch]` with entries in 0 … table.length − 1; the table is float64 and is cast once, here.
 */
export function lookup(table: ArrayLike<number>, t: tf.Tensor1D, rank: number): tf.Tensor {
  if (t.rank !== 1) throw new RangeError(`t must have rank 1 (one timestep per example), not ${t.rank}`);
  if (!(rank >= 1)) throw new RangeError(`rank must be at least 1, not ${rank}`);
  return tf.tidy(() => {
    const entries = tf.gather(tf.tensor1d(Float32Array.from(table)), tf.cast(t, 'int32'));
    return tf.reshape(entries, [t.shape[0], ...new Array<number>(rank - 1).fill(1)]);
  });
}
