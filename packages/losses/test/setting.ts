import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  type GaussianReverseProcess,
  type Prediction,
  reverseProcess,
  type Variance,
} from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { LossContext } from '../src/index.js';

export const schedule = cosine({ steps: 20 });
export const forward = gaussianDiffusion(schedule);

/** Four images of integer data, one at each end of the process and two between, and their noise. */
export function images(): Omit<LossContext, 'reverse'> & { readonly t: Float64Array } {
  return {
    x0: tf.tidy(() => tf.sub(tf.div(tf.cast(rng(1).integers([4, 3, 3, 2], 256), 'float32'), 127.5), 1)),
    t: Float64Array.of(0, 1, 11, 19),
    noise: rng(2).normal([4, 3, 3, 2]),
  };
}

export const params = { gain: 0.7, bend: 0.4, level: -0.6, tilt: 0.3 };

export const scalars = (): Params =>
  Object.fromEntries(Object.entries(params).map(([name, x]) => [name, tf.scalar(x)]));

/**
 * A network of four scalar parameters: gain and bend make the prediction, level and tilt a learned variance. It mixes the
 * elements of an example (`along` the axes given), and where the first is among them the examples too.
 */
export function parametrised(
  predicts: Prediction,
  variance: Variance,
  along = [0, 1, 2, 3],
): (params: Params) => GaussianReverseProcess {
  return ({ gain, bend, level, tilt }) =>
    reverseProcess({
      forward,
      predicts,
      variance,
      denoiser: (xt) => {
        const other = tf.reverse(xt, along);
        const prediction = tf.add(tf.mul(xt, gain!), tf.mul(tf.sin(tf.mul(other, 2)), bend!));
        if (!variance.learned) return prediction;
        return tf.concat([prediction, tf.add(tf.mul(other, tilt!), level!)], -1);
      },
    });
}

/** The sum of a loss over the four images, as a function of the parameters: something to differentiate. */
export function total(perExample: tf.Tensor1D): tf.Scalar {
  return tf.sum(perExample);
}

/** A network that answers in a later task. */
export function later(
  network: (xt: tf.Tensor, told: tf.Tensor1D) => tf.Tensor,
): (xt: tf.Tensor, told: tf.Tensor1D) => Promise<tf.Tensor> {
  return async (xt, told) => {
    await new Promise((resolve) => setTimeout(resolve));
    return tf.tidy(() => network(xt, told));
  };
}
