import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

type Owned = tf.Tensor | Readonly<Record<string, unknown>> | readonly unknown[] | unknown;

/**
 * Runs `f` twice (the first time may fill caches), disposes the tensors it returns, and asserts that the second run
 * left `tf.memory().numTensors` where it found it.
 */
export async function expectNoLeak(f: () => Owned | Promise<Owned>): Promise<void> {
  tf.dispose((await f()) as tf.TensorContainer);
  const before = tf.memory().numTensors;
  tf.dispose((await f()) as tf.TensorContainer);
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
}
