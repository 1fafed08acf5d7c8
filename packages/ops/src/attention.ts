import { sameShape } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { matMul } from './mat-mul.js';
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
  if (!sameShape(v.shape, k.shape)) {
    throw new RangeError(`v must have the shape of k, [${k.shape}], not [${v.shape}]`);
  }
  return tf.tidy(() => kernel({ q, k, v }, {})[0]);
}

const kernel = defineKernel(
  'DiffusionAttention',
  ({ q, k, v }) => {
    const scores = scaledProducts(q, k);
    const weights: tf.Tensor3D = tf.softmax(scores);
    // log Σ exp(scores) = scores − log weights, in any column; the largest is the safest.
    const logSumExp = tf.sub(tf.max(scores, 2), tf.log(tf.max(weights, 2)));
    return [
      tf.reshape(matMul(weights, matrices(v)), [...q.shape.slice(0, 3), v.shape[3]]),
      tf.reshape(logSumExp, q.shape.slice(0, 3)),
    ];
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

const attentionGrad = defineKernel('DiffusionAttentionGrad', ({ dy, q, k, v, y }) => {
  // A softmax is much faster than exp(scores − logSumExp) on tfjs's wasm.
  const weights: tf.Tensor3D = tf.softmax(scaledProducts(q, k));
  const dWeights = matMul(matrices(dy), matrices(v), false, true);
  // The softmax's Σ weights · dWeights over a row is dy · y.
  const rowSums = tf.sum(tf.mul(matrices(dy), matrices(y)), 2, true);
  const dScores: tf.Tensor3D = tf.mul(tf.mul(weights, tf.sub(dWeights, rowSums)), 1 / Math.sqrt(q.shape[3]));
  return [
    tf.reshape(matMul(dScores, matrices(k)), q.shape),
    tf.reshape(matMul(dScores, matrices(q), true, false), k.shape),
    tf.reshape(matMul(weights, matrices(dy), true, false), v.shape),
  ];
});

/** `[batch, heads, length, D]` as `[batch · heads, length, D]`. */
function matrices(t: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, length, size] = t.shape;
  return tf.reshape(t, [batch * heads, length, size]);
}

/** q kᵀ / √D. */
function scaledProducts(q: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor3D {
  // Scaling q, the smaller one, is the same.
  return matMul(tf.mul(matrices(q), 1 / Math.sqrt(q.shape[3])), matrices(k), false, true);
}
