import { sameShape } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { biasGrad } from './bias-grad.js';
import { backpropFilter, backpropInput } from './conv2d-backprop.js';
import { convolve } from './convolve.js';
import type { Padding } from './kernels.js';
import { defineKernel } from './run-kernel.js';

/** How a convolution moves over its image, and the zeros it sees around it. */
export interface Conv2DOptions {
  /** Step in both directions, 1 unless given. */
  stride?: number;
  /** Zeros on every side, or on each one; 0 unless given. */
  padding?: number | Padding;
  /** `[N, OH, OW, O]`, added to the result: the other way of a residual block, without a pass of its own. */
  residual?: tf.Tensor4D;
}

/**
 * Convolution (cross-correlation, as everywhere in deep learning) with bias:
 * y[n, i, j, o] = residual[n, i, j, o] + bias[o] + Σ x[n, i·stride + a − top, j·stride + b − left, c] weight[a, b, c, o].
 *
 * x is `[N, H, W, I]`, weight `[KH, KW, I, O]`, bias `[O]`; the result is `[N, OH, OW, O]` with
 * OH = ⌊(H + top + bottom − KH) / stride⌋ + 1.
 * @throws RangeError if the shapes do not fit each other, or the stride or padding is not a whole number.
 */
export function conv2d(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  { stride = 1, padding = 0, residual }: Conv2DOptions = {},
): tf.Tensor4D {
  const sides =
    typeof padding === 'number' ? { top: padding, bottom: padding, left: padding, right: padding } : padding;
  check(x, weight, bias, stride, sides, residual);
  return kernel(
    { x, weight, ...(bias && { bias }), ...(residual && { residual }) },
    { stride, padding: sides },
  )[0];
}

const kernel = defineKernel(
  'DiffusionConv2D',
  ({ x, weight, bias, residual }, { stride, padding }) => {
    const y = convolve(x, weight, { stride, padding, bias });
    return [residual ? tf.add(y, residual) : y];
  },
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
        residual: () => tf.clone(inputs.dy),
      };
    },
  },
);

function check(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  stride: number,
  padding: Padding,
  residual: tf.Tensor4D | undefined,
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
  const steps = (size: number, filter: number): number => Math.floor((size - filter) / stride) + 1;
  const shape = [x.shape[0], steps(height, weight.shape[0]), steps(width, weight.shape[1]), weight.shape[3]];
  if (residual !== undefined && !sameShape(residual.shape, shape)) {
    throw new RangeError(`residual must be [${shape}], as the result is, not [${residual.shape}]`);
  }
}
