import { scaledDotProductAttention } from '@diffusion-ts/ops';
import type { Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { groupNormLayer, linearLayer } from './layers.js';
import type { Declare } from './model.js';

/** What a self-attention block is made of. */
export interface AttentionOptions {
  channels: number;
  /** Channels per head; as many heads as fit. */
  headDim: number;
  /** Groups of the normalisation before it; none if null. */
  groups: number | null;
  epsilon: number;
  /** What the sum of the two ways is divided by. */
  outputScale: number;
}

/** x `[N, H, W, channels]` to the same shape. */
export type AttentionBlock = (params: Params, x: tf.Tensor4D) => tf.Tensor4D;

/** Self-attention among all pixels (Vaswani et al. 2017), with a residual connection. */
export function attentionBlock(declare: Declare, name: string, options: AttentionOptions): AttentionBlock {
  const { channels, headDim, groups, epsilon, outputScale } = options;
  const heads = Math.floor(channels / headDim);
  const inner = heads * headDim;
  const norm =
    groups === null
      ? undefined
      : groupNormLayer(declare, `${name}.group_norm`, { channels, groups, epsilon });
  const [query, key, value] = ['to_q', 'to_k', 'to_v'].map((part) =>
    linearLayer(declare, `${name}.${part}`, { inputs: channels, outputs: inner }),
  ) as [Linear, Linear, Linear];
  const output = linearLayer(declare, `${name}.to_out.0`, { inputs: inner, outputs: channels });

  return (params, x) =>
    tf.tidy(() => {
      const [batch, height, width] = x.shape;
      const pixels = tf.reshape(norm ? norm(params, x) : x, [batch, height * width, channels]);
      const [q, k, v] = [query, key, value].map((project) =>
        toHeads(project(params, pixels), heads, headDim),
      );
      const attended = fromHeads(scaledDotProductAttention(q!, k!, v!));
      const sum: tf.Tensor4D = tf.add(x, tf.reshape(output(params, attended), x.shape));
      return outputScale === 1 ? sum : tf.div(sum, outputScale);
    });
}

type Linear = ReturnType<typeof linearLayer>;

/** `[N, L, heads · headDim]` as `[N, heads, L, headDim]`. */
function toHeads(x: tf.Tensor, heads: number, headDim: number): tf.Tensor4D {
  const [batch, length] = x.shape as [number, number];
  // One head is the same numbers in the same order.
  if (heads === 1) return tf.reshape(x, [batch, 1, length, headDim]);
  return tf.transpose(tf.reshape(x, [batch, length, heads, headDim]), [0, 2, 1, 3]);
}

function fromHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, length, headDim] = x.shape;
  const pixels = heads === 1 ? x : tf.transpose(x, [0, 2, 1, 3]);
  return tf.reshape(pixels, [batch, length, heads * headDim]);
}
