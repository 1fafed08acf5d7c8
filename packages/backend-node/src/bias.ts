import type * as tf from '@tensorflow/tfjs-core';
import type { NodeBackend } from './tfjs-node.js';

/** Adds the bias where y, fresh and alone on its memory, lies. */
export function withBias(backend: NodeBackend, y: tf.Tensor[], bias: tf.TensorInfo | undefined): tf.Tensor[] {
  if (bias) backend.executeMultipleOutputs('DiffusionAddBias', [], [y[0]!, bias], 0);
  return y;
}
