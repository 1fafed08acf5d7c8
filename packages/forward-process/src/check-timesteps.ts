import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';

/**
 * Asserts that `t` is int32 `[batch]` for the batch of `x`, which the message calls `name`: a `t` of another length
 * would broadcast, and a wrong answer would come out without a word.
 * @throws TypeError if `t` is not int32; RangeError if it is not one timestep per example.
 */
export function checkTimesteps(name: string, x: Tensor, t: Tensor1D): void {
  if (t.dtype !== 'int32') throw new TypeError(`t must be int32, not ${t.dtype}`);
  if (x.rank < 1 || t.rank !== 1 || t.shape[0] !== x.shape[0]) {
    throw new RangeError(
      `t must have one timestep per example of ${name}: shape [${t.shape}] came for ${name} of shape [${x.shape}]`,
    );
  }
}
