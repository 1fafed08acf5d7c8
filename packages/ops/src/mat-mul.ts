import * as tf from '@tensorflow/tfjs-core';
import { isPlainWasm } from './plain-wasm.js';

/** a b, aᵀ b or a bᵀ of matrices, or of batches of matrices `[B, rows, columns]`, by the fastest way of the backend. */
export function matMul<T extends tf.Tensor2D | tf.Tensor3D>(
  a: T,
  b: T,
  transposeA = false,
  transposeB = false,
): T {
  if (a.size === 0 || b.size === 0) {
    // tfjs's wasm returns what its memory held before.
    const [rows, columns] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
    return tf.zeros<tf.Rank>([...a.shape.slice(0, -2), rows, columns] as number[]) as T;
  }
  if (!isPlainWasm()) return tf.matMul(a, b, transposeA, transposeB);
  if (a.rank === 3 && a.shape[0] > 1) {
    return batchedByConvolution(a as tf.Tensor3D, b as tf.Tensor3D, transposeA, transposeB) as T;
  }
  const swap = a.rank === 3 ? [0, 2, 1] : [1, 0];
  return tf.matMul(transposeA ? tf.transpose(a, swap) : a, transposeB ? tf.transpose(b, swap) : b);
}

/**
 * y[m, b, n] = Σ_d a[m, d, b] b[d, b, n] is a depthwise convolution: an image of M rows and D columns whose channels
 * are the matrices of the batch, and for each of them N filters one row high and D columns wide.
 */
function batchedByConvolution(
  a: tf.Tensor3D,
  b: tf.Tensor3D,
  transposeA: boolean,
  transposeB: boolean,
): tf.Tensor3D {
  const image = tf.transpose(a, transposeA ? [2, 1, 0] : [1, 2, 0]);
  const filter = tf.transpose(b, transposeB ? [2, 0, 1] : [1, 0, 2]);
  const [rows, inner, batch] = image.shape as [number, number, number];
  const columns = filter.shape[2]!;
  const products = tf.depthwiseConv2d(
    tf.reshape(image, [1, rows, inner, batch]) as tf.Tensor4D,
    tf.reshape(filter, [1, inner, batch, columns]) as tf.Tensor4D,
    1,
    'valid',
  );
  return tf.transpose(tf.reshape(products, [rows, batch, columns]), [1, 0, 2]) as tf.Tensor3D;
}
