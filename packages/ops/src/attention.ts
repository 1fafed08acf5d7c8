import * as tf from '@tensorflow/tfjs-core';
import { defineKernel } from './run-kernel.js';

/**
 * Scaled dot-product attention (Vaswani et al. 2017), softmax(q kᵀ / √D) v: q `[batch, heads, L, D]`, k and v
 * `[batch, heads, M, D]`, the result `[batch, heads, L, D]`.
 * @throws RangeError if the shapes do not fit each other.
 */
export function scaledDotProductAttention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  if (q.rank !== 4) throw new RangeError(`q must be [batch, heads, length, headDim], not [${q.shape}]`);
  const [batch, heads, , size] = q.shape;
  if (k.rank !== 4 || k.shape[0] !== batch || k.shape[1] !== heads || k.shape[3] !== size) {
    throw new RangeError(
      `k must be [${batch}, ${heads}, length, ${size}] for q [${q.shape}], not [${k.shape}]`,
    );
  }
  if (!tf.util.arraysEqual(v.shape, k.shape)) {
    throw new RangeError(`v must have the shape of k, [${k.shape}], not [${v.shape}]`);
  }
  return tf.tidy(() => kernel({ q, k, v }, {})[0]);
}

const kernel = defineKernel(
  'DiffusionAttention',
  ({ q, k, v }) => {
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[3]));
    const logSumExp = tf.logSumExp(scores, 3, true);
    const weights = tf.exp(tf.sub(scores, logSumExp));
    return [tf.matMul(weights, v) as tf.Tensor4D, tf.reshape(logSumExp, q.shape.slice(0, 3))];
  },
  {
    inputsToSave: ['q', 'k', 'v'],
    outputsToSave: [true, true],
    gradFunc: (dys, [q, k, v, y, logSumExp]) => {
      const [dq, dk, dv] = attentionGrad(
        {
          dy: (dys as tf.Tensor[])[0] as tf.Tensor4D,
          q: q as tf.Tensor4D,
          k: k as tf.Tensor4D,
          v: v as tf.Tensor4D,
          y: y as tf.Tensor4D,
          logSumExp: logSumExp!,
        },
        {},
      );
      return { q: () => dq, k: () => dk, v: () => dv };
    },
  },
);

const attentionGrad = defineKernel('DiffusionAttentionGrad', ({ dy, q, k, v, y, logSumExp }) => {
  const factor = 1 / Math.sqrt(q.shape[3]);
  const weights = tf.exp(tf.sub(tf.mul(tf.matMul(q, k, false, true), factor), tf.expandDims(logSumExp, 3)));
  const dv = tf.matMul(weights, dy, true, false) as tf.Tensor4D;
  const dWeights = tf.matMul(dy, v, false, true);
  // The softmax's Σ weights · dWeights over a row is dy · y.
  const dScores = tf.mul(tf.mul(weights, tf.sub(dWeights, tf.sum(tf.mul(dy, y), 3, true))), factor);
  return [tf.matMul(dScores, k) as tf.Tensor4D, tf.matMul(dScores, q, true, false) as tf.Tensor4D, dv];
});
