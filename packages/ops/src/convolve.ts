import * as tf from '@tensorflow/tfjs-core';
import type { Padding } from './kernels.js';

/** How `convolve` moves; the padding may be negative where the stride is 1. */
interface Movement {
  padding: Padding;
  stride?: number;
  /** How far apart the taps of the filter lie. */
  dilations?: [number, number];
  bias?: tf.Tensor1D | undefined;
}

/** The forward kernel that every backend has. Where the padding is negative, rows and columns are cut off. */
export function convolve(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  { padding, stride = 1, dilations = [1, 1], bias }: Movement,
): tf.Tensor4D {
  const zeros = (size: number): number => Math.max(0, size);
  return tf.engine().runKernel(
    tf.FusedConv2D,
    { x: crop(x, padding), filter, ...(bias && { bias }) },
    {
      strides: [stride, stride],
      pad: [
        [0, 0],
        [zeros(padding.top), zeros(padding.bottom)],
        [zeros(padding.left), zeros(padding.right)],
        [0, 0],
      ],
      dataFormat: 'NHWC',
      dilations,
      activation: 'linear',
    },
  );
}

/** Cuts off the rows and columns where the padding is negative. */
function crop(x: tf.Tensor4D, { top, bottom, left, right }: Padding): tf.Tensor4D {
  if (Math.min(top, bottom, left, right) >= 0) return x;
  const cut = (size: number): number => Math.max(0, -size);
  const [batch, height, width, channels] = x.shape;
  return tf.slice(
    x,
    [0, cut(top), cut(left), 0],
    [batch, height - cut(top) - cut(bottom), width - cut(left) - cut(right), channels],
  );
}
