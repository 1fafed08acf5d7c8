import { nextTask } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { SamplerStep } from './sampler.js';

/**
 * One step: from the sample at schedule index `index` to the next sample, with the prediction of x_0 on the way.
 * `earlier` are the predictions of the steps before, the newest first, as many as are remembered.
 */
export type Move = (
  xt: tf.Tensor,
  t: tf.Tensor1D,
  index: number,
  earlier: readonly tf.Tensor[],
) => { x0: tf.Tensor; next: tf.Tensor };

/**
 * Makes one move at each of the given schedule indices, in their order, and gives way to the event loop before each.
 * Owns every tensor in between, the last `remembered` predictions of x_0 among them; the last sample is returned.
 */
export async function* walk(
  start: tf.Tensor,
  indices: readonly number[],
  timesteps: Float64Array,
  signal: AbortSignal | undefined,
  move: Move,
  remembered = 0,
): AsyncGenerator<SamplerStep, tf.Tensor> {
  const samples = [tf.clone(start)];
  const predictions: tf.Tensor[] = [];
  try {
    for (const [index, i] of indices.entries()) {
      await nextTask();
      signal?.throwIfAborted();
      const xt = samples[0]!;
      const { x0, next } = tf.tidy(() => {
        const moved = move(xt, tf.fill([xt.shape[0]!], i, 'int32'), i, predictions);
        // Clones, because a denoiser may hand back its own input.
        return { x0: tf.clone(moved.x0), next: tf.clone(moved.next) };
      });
      samples.push(next);
      predictions.unshift(x0);
      yield { t: timesteps[i]!, xt, x0, index, total: indices.length };
      tf.dispose([samples.shift()!, ...predictions.splice(remembered)]);
    }
    return samples.pop()!;
  } finally {
    tf.dispose([...samples, ...predictions]);
  }
}

/** T − 1, …, 0. */
export function descending(steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => steps - 1 - i);
}
