import type { Distribution } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition, PerExample } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { boundTerm } from './bound-term.js';
import type { Decoder } from './decoder.js';

/** The term of the bound at each example's time, read back; the network may answer later. */
export async function readBoundTerm<D extends Distribution>(
  reverse: ReverseProcess<D>,
  x0: tf.Tensor,
  t: PerExample,
  noise: tf.Tensor,
  decoder: Decoder<D>,
  condition: Condition | undefined,
): Promise<Float32Array> {
  const xt = reverse.forward.sample(x0, t, noise);
  try {
    const evaluation = await reverse.evaluate(xt, t, condition);
    try {
      return await readAndDispose(boundTerm(reverse.forward, evaluation, x0, xt, t, decoder));
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
