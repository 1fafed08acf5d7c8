import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Distribution } from './distribution.js';
import type { ForwardProcess } from './forward-process.js';

/** x_T, drawn from the process's prior: what a sampler starts from. */
export function latent(
  { prior }: Pick<ForwardProcess<Distribution>, 'prior'>,
  rng: Rng,
  shape: readonly number[],
): tf.Tensor {
  return tf.tidy(() => prior(shape).sample(rng));
}
