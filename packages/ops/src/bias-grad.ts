import type * as tf from '@tensorflow/tfjs-core';
import { sumOverRows } from './positions.js';
import { defineKernel } from './run-kernel.js';

const kernel = defineKernel('DiffusionBiasGrad', ({ dy }) => [sumOverRows(dy)]);

/** The gradient for a bias that was added along the last axis: dy summed over all the others. */
export function biasGrad(dy: tf.Tensor): tf.Tensor1D {
  return kernel({ dy }, {})[0];
}
