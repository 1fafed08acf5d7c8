import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** How a parameter begins. */
export type Initial = (rng: Rng, shape: number[]) => tf.Tensor;

export const zeros: Initial = (_rng, shape) => tf.zeros(shape);

export const ones: Initial = (_rng, shape) => tf.ones(shape);

/** PyTorch's default for embeddings. */
export const standardNormal: Initial = (rng, shape) => rng.normal(shape);

/**
 * PyTorch's default for convolutions and linear maps, weight and bias alike: uniform on ±1/√fanIn, which is
 * Kaiming's (He et al. 2015) with a = √5.
 */
export function kaimingUniform(fanIn: number): Initial {
  return (rng, shape) => tf.tidy(() => tf.mul(tf.sub(rng.uniform(shape), 0.5), 2 / Math.sqrt(fanIn)));
}
