import * as tf from '@tensorflow/tfjs-core';

/**
 * e^δ − 1 − δ. Small ones are all that a good model has: they are summed by their series, since e^δ − 1 leaves rounding, and
 * what some backends call expm1 is just that.
 */
export function surplus(delta: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const small = tf.clipByValue(delta, -0.5, 0.5);
    // δ²/2 (1 + δ/3 (1 + δ/4 (…))), as far as float32 sees.
    let series: tf.Tensor = tf.onesLike(small);
    for (let n = 9; n >= 3; n--) series = tf.add(tf.mul(series, tf.mul(small, 1 / n)), 1);
    const near = tf.mul(tf.mul(tf.square(small), 0.5), series);
    // What a large δ has beyond it; exactly 0 where there is none.
    const beyond = tf.sub(delta, small);
    return tf.add(near, tf.sub(tf.mul(tf.exp(small), tf.sub(tf.exp(beyond), 1)), beyond));
  });
}
