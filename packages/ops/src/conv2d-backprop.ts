import * as tf from '@tensorflow/tfjs-core';
import { convolve } from './convolve.js';
import type { Padding } from './kernels.js';
import { isPlainWasm } from './plain-wasm.js';
import { defineKernel, type Run } from './run-kernel.js';

type Shape4D = [number, number, number, number];

/** The gradient of a convolution for its input. */
export const backpropInput: Run<'DiffusionConv2DBackpropInput'> = defineKernel(
  'DiffusionConv2DBackpropInput',
  ({ dy, weight }, { stride, padding, inputShape }) => {
    const [batch, height, width, inputs] = inputShape as Shape4D;
    const [kernelHeight, kernelWidth] = weight.shape;
    if (!isPlainWasm()) {
      const { top, bottom, left, right } = padding;
      const pad = namedPadding(inputShape as Shape4D, weight.shape, stride, padding);
      const padded = [batch, height + top + bottom, width + left + right, inputs];
      const dx: tf.Tensor4D = tf
        .engine()
        .runKernel(
          tf.Conv2DBackpropInput,
          { dy, filter: weight },
          { ...common(stride, pad), inputShape: pad === undefined ? padded : inputShape },
        );
      return [pad === undefined ? tf.slice(dx, [0, top, left, 0], inputShape as Shape4D) : dx];
    }
    // The transposed convolution: the dilated dy convolved with the flipped kernel, its channels swapped.
    const dilated = dilate(dy, stride);
    const flipped = tf.transpose(tf.reverse(weight, [0, 1]), [0, 1, 3, 2]);
    const top = kernelHeight - 1 - padding.top;
    const left = kernelWidth - 1 - padding.left;
    const bottom = height + kernelHeight - 1 - dilated.shape[1] - top;
    const right = width + kernelWidth - 1 - dilated.shape[2] - left;
    return [convolve(dilated, flipped, { padding: { top, bottom, left, right } })];
  },
);

/** The gradient of a convolution for its weight. */
export const backpropFilter: Run<'DiffusionConv2DBackpropFilter'> = defineKernel(
  'DiffusionConv2DBackpropFilter',
  ({ x, dy }, { stride, padding, filterShape }) => {
    const [kernelHeight, kernelWidth, inputs, outputs] = filterShape as Shape4D;
    const [batch, height, width] = x.shape;
    const { top, left } = padding;
    if (!isPlainWasm()) {
      const pad = namedPadding(x.shape, filterShape as Shape4D, stride, padding);
      const padded =
        pad === undefined
          ? tf.pad(x, [
              [0, 0],
              [top, padding.bottom],
              [left, padding.right],
              [0, 0],
            ])
          : x;
      return [
        tf
          .engine()
          .runKernel(tf.Conv2DBackpropFilter, { x: padded, dy }, { ...common(stride, pad), filterShape }),
      ];
    }
    // The batch is summed over, so it takes the place of the channels: an image of H rows and W · I columns, seen by a
    // filter dy `[OH, OW, N, O]` whose taps lie stride rows and stride · I columns apart, has KH × KW · I values.
    const [, outHeight, outWidth] = dy.shape;
    const image = tf.transpose(tf.reshape(x, [batch, height * width * inputs]));
    const filter = tf.transpose(tf.reshape(dy, [batch, outHeight * outWidth, outputs]), [1, 0, 2]);
    // Rows and columns that the stride left unread need no padding, and what they add at the end is cut off.
    const bottom = Math.max(0, kernelHeight + (outHeight - 1) * stride - height - top);
    const right = Math.max(0, kernelWidth + (outWidth - 1) * stride - width - left);
    const dweight = convolve(
      tf.reshape(image, [1, height, width * inputs, batch]),
      tf.reshape(filter, [outHeight, outWidth, batch, outputs]),
      {
        padding: { top, bottom, left: left * inputs, right: right * inputs },
        dilations: [stride, stride * inputs],
      },
    );
    const read = tf.slice(dweight, [0, 0, 0, 0], [1, kernelHeight, kernelWidth * inputs, outputs]);
    return [tf.reshape(read, filterShape)];
  },
);

function common(stride: number, pad: 'valid' | 'same' | undefined): tf.NamedAttrMap {
  return { strides: [stride, stride], pad: pad ?? 'valid', dataFormat: 'NHWC' };
}

/** The name of a padding, if it has one: tfjs-node's gradient kernels know no other. */
function namedPadding(
  [, height, width]: Shape4D,
  [kernelHeight, kernelWidth]: Shape4D,
  stride: number,
  { top, bottom, left, right }: Padding,
): 'valid' | 'same' | undefined {
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return 'valid';
  const isSame = (size: number, kernel: number, before: number, after: number): boolean => {
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
    return before === Math.floor(total / 2) && after === Math.ceil(total / 2);
  };
  return isSame(height, kernelHeight, top, bottom) && isSame(width, kernelWidth, left, right)
    ? 'same'
    : undefined;
}

/** Puts stride − 1 zeros after each row and column. */
function dilate(x: tf.Tensor4D, stride: number): tf.Tensor4D {
  if (stride === 1) return x;
  const [batch, height, width, channels] = x.shape;
  const afterEach = (rows: number, size: number, t: tf.Tensor): tf.Tensor =>
    tf.pad(tf.reshape(t, [rows, size]), [
      [0, 0],
      [0, (stride - 1) * size],
    ]);
  const columns = afterEach(batch * height * width, channels, x);
  const rows = afterEach(batch * height, width * stride * channels, columns);
  return tf.reshape(rows, [batch, height * stride, width * stride, channels]);
}
