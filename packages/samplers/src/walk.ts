import { nextTask } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { SamplerStep } from './sampler.js';

/** One step: from the sample at schedule index `index` to the next sample, with the prediction of x_0 on the way. */
export type Move = (xt: tf.Tensor, t: tf.Tensor1D, index: number) => { x0: tf.Tensor; next: tf.Tensor };

/**
 * Makes one move at each of the given schedule indices, in their order, and gives way to the event loop before each.
 * Owns every tensor in between; the last one is returned.
 */
export async function* walk(
  start: tf.Tensor,
  indices: readonly number[],
  timesteps: Float64Array,
  signal: AbortSignal | undefined,
  move: Move,
): AsyncGenerator<SamplerStep, tf.Tensor> {
  const held = [tf.clone(start)];
  try {
    for (const [index, i] of indices.entries()) {
      await nextTask();
      signal?.throwIfAborted();
      const xt = held[0]!;
      const { x0, next } = tf.tidy(() => {
        const moved = move(xt, tf.fill([xt.shape[0]!], i, 'int32'), i);
        // Clones, because a denoiser may hand back its own input.
        return { x0: tf.clone(moved.x0), next: tf.clone(moved.next) };
      });
      held.push(x0, next);
      yield { t: timesteps[i]!, xt, x0, index, total: indices.length };
      tf.dispose(held.splice(0, 2));
    }
    return held.pop()!;
  } finally {
    tf.dispose(held);
  }
}

/** T − 1, …, 0. */
export function descending(steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => steps - 1 - i);
}
