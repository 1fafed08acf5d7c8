import * as tf from '@tensorflow/tfjs-core';
import { biasGrad } from './bias-grad.js';
import { isForwardOnly } from './forward-only.js';
import type { Padding } from './kernels.js';
import { defineKernel } from './run-kernel.js';

/** How a convolution moves over its image, and the zeros it sees around it. */
export interface Conv2DOptions {
  /** Step in both directions, 1 unless given. */
  stride?: number;
  /** Zeros on every side, or on each one; 0 unless given. */
  padding?: number | Padding;
}

/**
 * Convolution (cross-correlation, as everywhere in deep learning) with bias:
 * y[n, i, j, o] = bias[o] + Σ x[n, i·stride + a − top, j·stride + b − left, c] weight[a, b, c, o].
 *
 * x is `[N, H, W, I]`, weight `[KH, KW, I, O]`, bias `[O]`; the result is `[N, OH, OW, O]` with
 * OH = ⌊(H + top + bottom − KH) / stride⌋ + 1.
 * @throws RangeError if the shapes do not fit each other, or the stride or padding is not a whole number.
 */
export function conv2d(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  { stride = 1, padding = 0 }: Conv2DOptions = {},
): tf.Tensor4D {
  const sides =
    typeof padding === 'number' ? { top: padding, bottom: padding, left: padding, right: padding } : padding;
  check(x, weight, bias, stride, sides);
  return kernel({ x, weight, ...(bias && { bias }) }, { stride, padding: sides })[0];
}

const kernel = defineKernel(
  'DiffusionConv2D',
  ({ x, weight, bias }, { stride, padding }) => [convolve(x, weight, stride, padding, bias)],
  {
    inputsToSave: ['x', 'weight'],
    gradFunc: (dy, [x, weight], attrs) => {
      const inputs = { dy: dy as tf.Tensor4D, x: x as tf.Tensor4D, weight: weight as tf.Tensor4D };
      return {
        x: () =>
          backpropInput(
            { dy: inputs.dy, weight: inputs.weight },
            { ...attrs, inputShape: inputs.x.shape },
          )[0],
        weight: () =>
          backpropFilter({ x: inputs.x, dy: inputs.dy }, { ...attrs, filterShape: inputs.weight.shape })[0],
        bias: () => biasGrad(inputs.dy),
      };
    },
  },
);

const backpropInput = defineKernel(
  'DiffusionConv2DBackpropInput',
  ({ dy, weight }, { stride, padding, inputShape }) => {
    if (!isForwardOnly()) {
      return [
        tf
          .engine()
          .runKernel(
            tf.Conv2DBackpropInput,
            { dy, filter: weight },
            { strides: [stride, stride], pad: explicit(padding), dataFormat: 'NHWC', inputShape },
          ),
      ];
    }
    // The transposed convolution: the dilated dy convolved with the flipped kernel, its channels swapped.
    const [, height, width] = inputShape as [number, number, number, number];
    const [kernelHeight, kernelWidth] = weight.shape;
    const dilated = dilate(dy, stride);
    const flipped = tf.transpose(tf.reverse(weight, [0, 1]), [0, 1, 3, 2]);
    const top = kernelHeight - 1 - padding.top;
    const left = kernelWidth - 1 - padding.left;
    const bottom = height + kernelHeight - 1 - dilated.shape[1] - top;
    const right = width + kernelWidth - 1 - dilated.shape[2] - left;
    return [convolveAnyPadding(dilated, flipped, { top, bottom, left, right })];
  },
);

const backpropFilter = defineKernel(
  'DiffusionConv2DBackpropFilter',
  ({ x, dy }, { stride, padding, filterShape }) => {
    if (!isForwardOnly()) {
      return [
        tf
          .engine()
          .runKernel(
            tf.Conv2DBackpropFilter,
            { x, dy },
            { strides: [stride, stride], pad: explicit(padding), dataFormat: 'NHWC', filterShape },
          ),
      ];
    }
    // The batch is summed over, so it takes the place of the channels: x as [I, H, W, N] convolved with the dilated dy
    // as a filter [H, W, N, O]. Where the stride left pixels unread, the padding is cut so that KH × KW sums remain.
    const [kernelHeight, kernelWidth] = filterShape as [number, number, number, number];
    const images = tf.transpose(x, [3, 1, 2, 0]);
    const filter = tf.transpose(dilate(dy, stride), [1, 2, 0, 3]);
    const bottom = kernelHeight - 1 + filter.shape[0] - x.shape[1] - padding.top;
    const right = kernelWidth - 1 + filter.shape[1] - x.shape[2] - padding.left;
    const sums = convolveAnyPadding(images, filter, { top: padding.top, bottom, left: padding.left, right });
    return [tf.transpose(sums, [1, 2, 0, 3])];
  },
);

function convolve(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  stride: number,
  padding: Padding,
  bias?: tf.Tensor1D,
): tf.Tensor4D {
  return tf.engine().runKernel(
    tf.FusedConv2D,
    { x, filter, ...(bias && { bias }) },
    {
      strides: [stride, stride],
      pad: explicit(padding),
      dataFormat: 'NHWC',
      dilations: [1, 1],
      activation: 'linear',
    },
  );
}

/** A convolution of stride 1 whose padding may be negative: those rows and columns are cut off. */
function convolveAnyPadding(x: tf.Tensor4D, filter: tf.Tensor4D, padding: Padding): tf.Tensor4D {
  const { top, bottom, left, right } = padding;
  const cut = (size: number): number => Math.max(0, -size);
  const [batch, height, width, channels] = x.shape;
  const cropped =
    Math.min(top, bottom, left, right) < 0
      ? tf.slice(
          x,
          [0, cut(top), cut(left), 0],
          [batch, height - cut(top) - cut(bottom), width - cut(left) - cut(right), channels],
        )
      : x;
  return convolve(cropped, filter, 1, {
    top: Math.max(0, top),
    bottom: Math.max(0, bottom),
    left: Math.max(0, left),
    right: Math.max(0, right),
  });
}

/** Puts stride − 1 zeros between the pixels. */
function dilate(x: tf.Tensor4D, stride: number): tf.Tensor4D {
  if (stride === 1) return x;
  const [batch, height, width, channels] = x.shape;
  const columns = tf.pad(tf.reshape(x, [batch * height, width, 1, channels]), [
    [0, 0],
    [0, 0],
    [0, stride - 1],
    [0, 0],
  ]);
  const rows = tf.pad(tf.reshape(columns, [batch, height, 1, width * stride * channels]), [
    [0, 0],
    [0, 0],
    [0, stride - 1],
    [0, 0],
  ]);
  const full = tf.reshape(rows, [batch, height * stride, width * stride, channels]) as tf.Tensor4D;
  return tf.slice(full, [0, 0, 0, 0], [batch, (height - 1) * stride + 1, (width - 1) * stride + 1, channels]);
}

/** tfjs's form of explicit padding in NHWC. */
function explicit({ top, bottom, left, right }: Padding): number[][] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

function check(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  stride: number,
  padding: Padding,
): void {
  if (x.rank !== 4) throw new RangeError(`x must be [N, H, W, C], not [${x.shape}]`);
  if (weight.rank !== 4 || weight.shape[2] !== x.shape[3]) {
    throw new RangeError(
      `weight must be [KH, KW, ${x.shape[3]}, O] for x [${x.shape}], not [${weight.shape}]`,
    );
  }
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== weight.shape[3])) {
    throw new RangeError(
      `bias must be [${weight.shape[3]}] for weight [${weight.shape}], not [${bias.shape}]`,
    );
  }
  if (!Number.isInteger(stride) || stride < 1) {
    throw new RangeError(`stride must be a positive whole number, not ${stride}`);
  }
  for (const [side, size] of Object.entries(padding)) {
    if (!Number.isInteger(size) || size < 0) {
      throw new RangeError(`padding must be whole numbers from 0 on, not ${size} (${side})`);
    }
  }
  const height = x.shape[1] + padding.top + padding.bottom;
  const width = x.shape[2] + padding.left + padding.right;
  if (height < weight.shape[0] || width < weight.shape[1]) {
    throw new RangeError(
      `weight [${weight.shape}] is larger than the padded image, ${height} × ${width} pixels`,
    );
  }
}
