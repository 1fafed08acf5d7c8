import { silu } from '@diffusion-ts/ops';
import type { Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { linearLayer } from './layers.js';
import type { Declare } from './model.js';

/** How a time becomes waves. */
export interface Sinusoid {
  /** How many numbers come out; where it is odd the last one is 0. */
  size: number;
  /** Cosines before sines. */
  cosineFirst: boolean;
  /** 0: the slowest wave is just above 1/10000; 1: exactly 1/10000, as in DDPM. */
  shift: number;
}

/**
 * Sinusoidal features of the times t `[batch]`, float32 or int32 (Vaswani et al. 2017): sin(ω_i t) and cos(ω_i t) with
 * ω_i = 10000^(−i / (half − shift)), i = 0 … half − 1, as `[batch, size]`.
 */
export function sinusoid(t: tf.Tensor1D, { size, cosineFirst, shift }: Sinusoid): tf.Tensor2D {
  const half = Math.floor(size / 2);
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / (half - shift)));
  return tf.tidy(() => {
    const angles = tf.mul(tf.reshape(tf.cast(t, 'float32'), [-1, 1]), tf.tensor2d(frequencies, [1, half]));
    const waves = [tf.sin(angles), tf.cos(angles)] as tf.Tensor2D[];
    if (cosineFirst) waves.reverse();
    if (size % 2 === 1) waves.push(tf.zeros([t.shape[0], 1]));
    return tf.concat2d(waves, 1);
  });
}

/** A sinusoid followed by a linear map, SiLU and another linear map: t `[batch]` to `[batch, outputs]`. */
export function timeEmbedding(
  declare: Declare,
  name: string,
  { outputs, ...waves }: Sinusoid & { outputs: number },
): (params: Params, t: tf.Tensor1D) => tf.Tensor2D {
  const first = linearLayer(declare, `${name}.linear_1`, { inputs: waves.size, outputs });
  const second = linearLayer(declare, `${name}.linear_2`, { inputs: outputs, outputs });
  return (params, t) => second(params, silu(first(params, sinusoid(t, waves))));
}
