import type * as tf from '@tensorflow/tfjs-core';
import { integer } from './kernel.js';
import type { NodeBackend } from './tfjs-node.js';

/** Adds a bias to every pixel and a residual as it lies, in one pass where y, fresh and alone on its memory, lies. */
export function addTo(
  backend: NodeBackend,
  y: tf.Tensor[],
  bias: tf.TensorInfo | undefined,
  residual?: tf.TensorInfo,
): tf.Tensor[] {
  const biases = bias ? [bias] : [];
  const residuals = residual ? [residual] : [];
  if (bias || residual) {
    const counts = [integer(backend, 'B', biases.length), integer(backend, 'R', residuals.length)];
    backend.executeMultipleOutputs('DiffusionAddTo', counts, [y[0]!, ...biases, ...residuals], 0);
  }
  return y;
}
