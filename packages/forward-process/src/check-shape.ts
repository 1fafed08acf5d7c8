import { checkTensor, sameShape } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/** @throws TypeError if `x` is no tensor or disposed; RangeError if it does not have the shape of `like`; the message calls them by their names. */
export function checkShape(name: string, x: Tensor, likeName: string, like: Tensor): void {
  checkTensor(name, x);
  if (!sameShape(x.shape, like.shape)) {
    throw new RangeError(`${name} must have the shape of ${likeName}, [${like.shape}], not [${x.shape}]`);
  }
}
