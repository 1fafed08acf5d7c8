import type { Model } from '@diffusion-ts/models';
import type { Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** @throws RangeError with one sentence, if the weights are not those of a network with these shapes. */
export function checkWeights(shapes: Model<unknown>['shapes'], params: Params): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = params[name];
    if (tensor === undefined) throw new RangeError(`The file lacks the weights "${name}" of this network.`);
    if (!tf.util.arraysEqual(tensor.shape, [...shape])) {
      throw new RangeError(
        `The weights "${name}" must have the shape ${shape.join('×')}, not ${tensor.shape.join('×')}.`,
      );
    }
  }
  const extra = Object.keys(params).find((name) => shapes[name] === undefined);
  if (extra !== undefined)
    throw new RangeError(`The file holds weights "${extra}", which this network has not.`);
}
