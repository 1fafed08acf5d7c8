import * as tf from '@tensorflow/tfjs-core';
import type { KernelName } from '../../src/index.js';

/**
 * Calls `run` while a kernel of the active backend is replaced by one that shows its inputs to `look` and returns zeros
 * like the inputs named: what a forward pass saves for its gradient is seen nowhere else.
 */
export function watchKernel(
  kernelName: KernelName,
  outputs: string[],
  look: (inputs: tf.NamedTensorMap) => void,
  run: () => tf.Tensor,
): void {
  const backendName = tf.getBackend();
  const replaced = tf.getKernel(kernelName, backendName);
  if (replaced !== undefined) tf.unregisterKernel(kernelName, backendName);
  let seen = false;
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ inputs }) => {
      const tensors = inputs as tf.NamedTensorMap;
      tf.tidy(() => look(tensors));
      seen = true;
      return outputs.map((name) => tf.zerosLike(tensors[name]!));
    },
  });
  try {
    tf.tidy(run);
  } finally {
    tf.unregisterKernel(kernelName, backendName);
    if (replaced !== undefined) tf.registerKernel(replaced);
  }
  if (!seen) throw new Error(`${kernelName} was not run`);
}
