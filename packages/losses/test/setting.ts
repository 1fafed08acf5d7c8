import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  type Prediction,
  type ReverseProcess,
  reverseProcess,
  type Variance,
} from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

export const schedule = cosine({ steps: 20 });
export const forward = gaussianDiffusion(schedule);

/** Four images of integer data, one at each end of the process and two between, and their noise. */
export function images(): { x0: tf.Tensor; t: tf.Tensor1D; noise: tf.Tensor } {
  return tf.tidy(() => ({
    x0: tf.sub(tf.div(tf.cast(rng(1).integers([4, 3, 3, 2], 256), 'float32'), 127.5), 1),
    t: tf.tensor1d([0, 1, 11, 19], 'int32'),
    noise: rng(2).normal([4, 3, 3, 2]),
  }));
}

export const params = { gain: 0.7, bend: 0.4, level: -0.6, tilt: 0.3 };

/** A network of four scalar parameters: gain and bend make the prediction, level and tilt a learned variance. */
export function parametrised(
  predicts: Prediction,
  variance: Variance,
): ({ gain, bend, level, tilt }: Params) => ReverseProcess {
  return ({ gain, bend, level, tilt }) =>
    reverseProcess({
      forward,
      predicts,
      variance,
      denoiser: (xt) => {
        const prediction = tf.add(tf.mul(xt, gain!), tf.mul(tf.sin(tf.mul(xt, 2)), bend!));
        if (!variance.startsWith('learned')) return prediction;
        return tf.concat([prediction, tf.add(tf.mul(xt, tilt!), level!)], -1);
      },
    });
}

/** The sum of a loss over the four images, as a function of the parameters: something to differentiate. */
export function total(perExample: tf.Tensor1D): tf.Scalar {
  return tf.sum(perExample);
}
