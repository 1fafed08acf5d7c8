import * as tf from '@tensorflow/tfjs-core';
import { defineKernel } from './run-kernel.js';

/**
 * Every pixel of x `[N, H, W, C]` becomes factor × factor pixels.
 * @throws RangeError if x is no batch of images or the factor no positive whole number.
 */
export function upsampleNearest(x: tf.Tensor4D, factor = 2): tf.Tensor4D {
  if (x.rank !== 4) throw new RangeError(`x must be [N, H, W, C], not [${x.shape}]`);
  if (!Number.isInteger(factor) || factor < 1) {
    throw new RangeError(`factor must be a positive whole number, not ${factor}`);
  }
  return kernel({ x }, { factor })[0];
}

const kernel = defineKernel(
  'DiffusionUpsampleNearest',
  ({ x }, { factor }) => {
    const [, height, width] = x.shape;
    // The kernel of tf.image.resizeNearestNeighbor, without all else of tf.image.
    const attrs = { alignCorners: false, halfPixelCenters: false, size: [height * factor, width * factor] };
    return [tf.engine().runKernel(tf.ResizeNearestNeighbor, { images: x }, attrs)];
  },
  {
    inputsToSave: [],
    gradFunc: (dy, _saved, attrs) => ({ x: () => upsampleNearestGrad({ dy: dy as tf.Tensor4D }, attrs)[0] }),
  },
);

const upsampleNearestGrad = defineKernel('DiffusionUpsampleNearestGrad', ({ dy }, { factor }) => [
  tf.mul(tf.avgPool(dy, factor, factor, 'valid'), factor ** 2),
]);
