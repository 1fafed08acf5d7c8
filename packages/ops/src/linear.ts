import * as tf from '@tensorflow/tfjs-core';
import { biasGrad } from './bias-grad.js';
import { matMul } from './mat-mul.js';
import { defineKernel } from './run-kernel.js';

/**
 * x weight + bias over the last axis: x `[…, in]`, weight `[in, out]`, bias `[out]`, the result `[…, out]`.
 * @throws RangeError if the shapes do not fit each other.
 */
export function linear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor {
  const size = x.shape[x.rank - 1];
  if (size === undefined) throw new RangeError('x must be […, in], not a scalar');
  if (weight.rank !== 2 || weight.shape[0] !== size) {
    throw new RangeError(`weight must be [${size}, out] for x [${x.shape}], not [${weight.shape}]`);
  }
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== weight.shape[1])) {
    throw new RangeError(
      `bias must be [${weight.shape[1]}] for weight [${weight.shape}], not [${bias.shape}]`,
    );
  }
  return tf.tidy(() => {
    const rows = tf.reshape(x, [-1, size]) as tf.Tensor2D;
    const [y] = kernel({ x: rows, weight, ...(bias && { bias }) }, {});
    return tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[1]]);
  });
}

const kernel = defineKernel(
  'DiffusionLinear',
  ({ x, weight, bias }) => {
    const [rows, inputs] = x.shape;
    const outputs = weight.shape[1];
    const y: tf.Tensor = tf.engine().runKernel(
      tf._FusedMatMul,
      {
        a: tf.reshape(x, [1, rows, inputs]),
        b: tf.reshape(weight, [1, inputs, outputs]),
        ...(bias && { bias }),
      },
      { transposeA: false, transposeB: false, activation: 'linear' },
    );
    return [tf.reshape(y, [rows, outputs])];
  },
  {
    inputsToSave: ['x', 'weight'],
    gradFunc: (dy, [x, weight]) => ({
      x: () => matMul(dy as tf.Tensor2D, weight as tf.Tensor2D, false, true),
      weight: () => matMul(x as tf.Tensor2D, dy as tf.Tensor2D, true, false),
      bias: () => biasGrad(dy as tf.Tensor2D),
    }),
  },
);
