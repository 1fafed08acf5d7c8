import * as tf from '@tensorflow/tfjs-core';

/** The penalty of an error d, element by element. */
export type Norm = (d: tf.Tensor) => tf.Tensor;

/** d². */
export const l2: Norm = (d) => tf.square(d);

/** |d|. */
export const l1: Norm = (d) => tf.abs(d);

/** Huber's: d²/2 up to |d| = 1 and |d| − ½ beyond. */
export const huber: Norm = (d) =>
  tf.tidy(() => {
    const size = tf.abs(d);
    // With c the part of |d| up to 1, c (|d| − c/2) is both branches in one, so no where() and no gradient of the other.
    const c = tf.minimum(size, 1);
    return tf.mul(c, tf.sub(size, tf.mul(c, 0.5)));
  });
