import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { priorBits } from '@diffusion-ts/losses';
import { fromBetas } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Handlers, Job } from '../lab/protocol.js';
import type { ImageShape } from '../ui/image-canvas.js';

export interface NoisedImage {
  /** x_t at each of the times asked for, one after the other. */
  readonly frames: Float32Array;
  /** L_T = KL(q(x_T | x_0) ‖ N(0, I)) in bits per dimension. */
  readonly priorBits: number;
}

export interface ForwardJobs {
  'forward/noise': Job<
    {
      betas: Float64Array;
      /** In [−1, 1]. */
      image: Float32Array;
      shape: ImageShape;
      times: readonly number[];
      seed: number;
    },
    never,
    NoisedImage
  >;
}

export const forwardJobs: Handlers<ForwardJobs> = {
  async 'forward/noise'({ betas, image, shape, times, seed }) {
    const forward = gaussianDiffusion(fromBetas(betas));
    const { frames, prior } = tf.tidy(() => {
      const x0 = tf.tensor4d(image, [1, ...shape]);
      const noise = forward.noise(rng(seed), x0.shape);
      const copies = [times.length, 1, 1, 1];
      return {
        // One noise for all: what changes along the strip is t alone.
        frames: forward.sample(tf.tile(x0, copies), Float64Array.from(times), tf.tile(noise, copies)),
        prior: priorBits(forward, x0),
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
