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
  return kernel({ x, weight, ...(bias && { bias }) }, {})[0];
}

const kernel = defineKernel(
  'DiffusionLinear',
  ({ x, weight, bias }) => {
    const [inputs, outputs] = weight.shape;
    const y: tf.Tensor = tf.engine().runKernel(
      tf._FusedMatMul,
      {
        a: tf.reshape(x, [1, -1, inputs]),
        b: tf.reshape(weight, [1, inputs, outputs]),
        ...(bias && { bias }),
      },
      { transposeA: false, transposeB: false, activation: 'linear' },
    );
    return [tf.reshape(y, [...x.shape.slice(0, -1), outputs])];
  },
  {
    inputsToSave: ['x', 'weight'],
    gradFunc: (dys, [x, weight]) => {
      const dy = dys as tf.Tensor;
      return {
        x: () => {
          const dx = matMul(matrix(dy), weight as tf.Tensor2D, false, true);
          return x!.rank === 2 ? dx : tf.reshape(dx, x!.shape);
        },
        weight: () => matMul(matrix(x!), matrix(dy), true, false),
        bias: () => biasGrad(dy),
      };
    },
  },
);

/** `[…, columns]` as `[rows, columns]`. */
function matrix(t: tf.Tensor): tf.Tensor2D {
  const [rows, columns] = [t.shape.slice(0, -1).reduce((rows, n) => rows * n, 1), t.shape[t.rank - 1]!];
  return (t.rank === 2 ? t : tf.reshape(t, [rows, columns])) as tf.Tensor2D;
}
