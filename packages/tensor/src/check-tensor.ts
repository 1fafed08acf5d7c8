import * as tf from '@tensorflow/tfjs-core';

/**
 * Asserts that `x` is a tensor that can be computed with.
 * @throws TypeError if it is none, or was disposed.
 */
export function checkTensor(name: string, x: tf.Tensor): void {
  if (!(x instanceof tf.Tensor)) throw new TypeError(`${name} must be a tensor, not ${described(x)}`);
  if (x.isDisposed) throw new TypeError(`${name} is disposed: what it held is gone`);
}

/**
 * Asserts that there is something to compute on, before tfjs says it in words of its own.
 * @throws Error if no backend of tfjs is there, or none is ready.
 */
export function checkBackend(): void {
  if (tf.getBackend() !== undefined) return;
  try {
    tf.backend();
  } catch (cause) {
    throw new Error(
      'no backend of tfjs is ready: import one, such as @tensorflow/tfjs-backend-cpu, or await useWasm() of @diffusion-ts/backend-wasm or tf.ready(), before anything is computed',
      { cause },
    );
  }
}

/** What came, where something else was expected. */
export function described(x: unknown): string {
  if (x instanceof tf.Tensor) return `a tensor of shape [${x.shape}]`;
  if (Array.isArray(x)) return 'an array';
  if (ArrayBuffer.isView(x)) return x.constructor.name;
  if (typeof x === 'function') return 'a function';
  return typeof x === 'object' && x !== null ? 'an object' : String(x);
}
