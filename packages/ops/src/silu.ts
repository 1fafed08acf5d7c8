import * as tf from '@tensorflow/tfjs-core';
import { defineKernel, type Run } from './run-kernel.js';

/** The sigmoid linear unit x σ(x) of any shape (Hendrycks and Gimpel 2016). */
export function silu<T extends tf.Tensor>(x: T): T {
  return kernel({ x }, {})[0] as T;
}

const kernel = defineKernel('DiffusionSilu', ({ x }) => [tf.mul(x, tf.sigmoid(x))], {
  inputsToSave: ['x'],
  gradFunc: (dy, [x]) => ({ x: () => siluGrad({ dy: dy as tf.Tensor, x: x! }, {})[0] }),
});

/** dy σ(x) (1 + x (1 − σ(x))). */
export const siluGrad: Run<'DiffusionSiluGrad'> = defineKernel('DiffusionSiluGrad', ({ dy, x }) => {
  const sigmoid = tf.sigmoid(x);
  return [tf.mul(tf.mul(dy, sigmoid), tf.add(1, tf.mul(x, tf.sub(1, sigmoid))))];
});
