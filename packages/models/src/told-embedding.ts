import { silu } from '@diffusion-ts/ops';
import type { Condition, Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { embeddingLayer } from './layers.js';
import type { Declare, Model } from './model.js';
import { type Sinusoid, timeEmbedding } from './time-embedding.js';

/** What a network that knows so many classes accepts; null: none. */
export function acceptsClasses(classes: number | null): Model<unknown>['accepts'] {
  return classes === null ? {} : { label: { shape: [], dtype: 'int32', below: classes } };
}

/**
 * All that a network is told as one vector, `[batch, outputs]`: the embedded time, plus the vector of its label if it
 * knows classes, activated. Every block begins by activating it: once is enough.
 */
export function toldEmbedding(
  declare: Declare,
  { classes, ...time }: Sinusoid & { outputs: number; classes: number | null },
): (params: Params, told: tf.Tensor1D, condition: Condition) => tf.Tensor2D {
  const embedTime = timeEmbedding(declare, 'time_embedding', time);
  const embedClass =
    classes === null
      ? undefined
      : embeddingLayer(declare, 'class_embedding', { count: classes, size: time.outputs });
  return (params, told, { label }) => {
    const embedded = embedTime(params, told);
    return silu(embedClass ? tf.add(embedded, embedClass(params, label as tf.Tensor1D)) : embedded);
  };
}
