import * as tf from '@tensorflow/tfjs-core';

// Everything here avoids what is slow on tfjs's CPU backends: reductions over any axis but the last transpose their
// input, and broadcasting along short inner axes costs a call per row.

/** The mean over the positions of x `[N, positions, C]`, `[N, C]`. */
export function meanOverPositions(x: tf.Tensor3D): tf.Tensor2D {
  const [batch, positions, channels] = x.shape;
  const image = tf.reshape(x, [batch, positions, 1, channels]) as tf.Tensor4D;
  return tf.reshape(tf.avgPool(image, [positions, 1], 1, 'valid'), [batch, channels]);
}

/** The sum of dy `[…, C]` over all axes but the last, `[C]`. */
export function sumOverRows(dy: tf.Tensor): tf.Tensor1D {
  const channels = dy.shape[dy.rank - 1]!;
  const batch = dy.rank > 2 ? dy.shape[0]! : 1;
  const rows = dy.size / channels;
  // First within each example, then over the batch: fewer numbers are added one after another.
  const perExample = meanOverPositions(tf.reshape(dy, [batch, rows / batch, channels]));
  const mean = meanOverPositions(tf.reshape(perExample, [1, batch, channels]));
  return tf.reshape(tf.mul(mean, rows), [channels]);
}

/**
 * How to combine large tensors `[N, positions, C]` with small ones `[N or 1, C]`: positions are joined to rows long
 * enough to be worth a call, and the small tensor is repeated to the length of such a row.
 */
export function joinPositions(
  positions: number,
  channels: number,
): { join(x: tf.Tensor): tf.Tensor3D; repeat(t: tf.Tensor): tf.Tensor3D } {
  let joined = Math.min(positions, Math.max(1, Math.floor(1024 / channels)));
  while (positions % joined !== 0) joined -= 1;
  return {
    join: (x) => tf.reshape(x, [-1, positions / joined, joined * channels]),
    repeat: (t) =>
      tf.reshape(tf.mul(tf.reshape(t, [-1, 1, channels]), tf.ones([1, joined, channels])), [
        -1,
        1,
        joined * channels,
      ]),
  };
}
