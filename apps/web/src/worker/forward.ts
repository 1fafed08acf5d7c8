import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { gaussianKl } from '@diffusion-ts/losses';
import { fromBetas } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Handlers, Job } from './protocol.js';

export interface NoisedImage {
  /** x_t at each of the timesteps asked for, one after the other. */
  readonly frames: Float32Array;
  /** L_T = KL(q(x_T | x_0) ‖ N(0, I)) in bits per dimension. */
  readonly priorBits: number;
}

export interface ForwardJobs {
  'forward/noise': Job<
    {
      betas: Float64Array;
      /** In [−1, 1], `[height, width, channels]`. */
      image: Float32Array;
      shape: readonly [number, number, number];
      timesteps: readonly number[];
      seed: number;
    },
    never,
    NoisedImage
  >;
}

export const forwardJobs: Handlers<ForwardJobs> = {
  async 'forward/noise'({ betas, image, shape, timesteps, seed }) {
    const forward = gaussianDiffusion(fromBetas(betas));
    const { frames, prior } = tf.tidy(() => {
      const x0 = tf.tensor4d(image, [1, ...shape]);
      const batch = tf.tile(x0, [timesteps.length, 1, 1, 1]);
      // One noise for all: what changes along the strip is t alone.
      const noise = tf.tile(rng(seed).normal([1, ...shape]), [timesteps.length, 1, 1, 1]);
      const t = tf.tensor1d([...timesteps], 'int32');
      const standard = { mean: tf.scalar(0), logVariance: tf.scalar(0) };
      return {
        frames: forward.sample(batch, t, noise),
        prior: tf.div(tf.mean(gaussianKl(forward.prior(x0), standard)), Math.LN2),
      };
    });
    const result = {
      frames: (await frames.data()) as Float32Array,
      priorBits: (await prior.data())[0]!,
    };
    tf.dispose([frames, prior]);
    return result;
  },
};
