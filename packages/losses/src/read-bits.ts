import type { Distribution } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition, PerExample } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { boundTerm } from './bound-term.js';
import type { Decoder } from './decoder.js';
import { meanPerExample } from './mean-per-example.js';

/** What one evaluation of the network says of each example, read back. */
export interface ReadTerm {
  /** The term of the bound, in bits per dimension. */
  readonly bits: Float32Array;
  /** The mean over the dimensions of (x̂_0 − x_0)². */
  readonly squaredError: Float32Array;
}

/** The term of the bound at each example's time, and the error of x_0 there; the network may answer later. */
export async function readBoundTerm<D extends Distribution>(
  reverse: ReverseProcess<D>,
  x0: tf.Tensor,
  t: PerExample,
  noise: tf.Tensor,
  decoder: Decoder<D>,
  condition: Condition | undefined,
): Promise<ReadTerm> {
  const xt = reverse.forward.sample(x0, t, noise);
  try {
    const evaluation = await reverse.evaluate(xt, t, condition);
    try {
      const bits = await readAndDispose(boundTerm(reverse.forward, evaluation, x0, xt, t, decoder));
      const error = tf.tidy(() => meanPerExample(tf.squaredDifference(evaluation.x0(), x0)));
      return { bits, squaredError: await readAndDispose(error) };
    } finally {
      evaluation.dispose();
    }
  } finally {
    xt.dispose();
  }
}

export async function readAndDispose(tensor: tf.Tensor): Promise<Float32Array> {
  try {
    return await tensor.data<'float32'>();
  } finally {
    tensor.dispose();
  }
}
