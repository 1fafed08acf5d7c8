import * as tf from '@tensorflow/tfjs-core';
import { golden } from './golden.js';

type PerExample = readonly number[];
type First = readonly (readonly number[])[];

/** `golden/gaussian-*.json`: what improved-diffusion computes for one batch of four images. */
export interface GoldenGaussian {
  t: PerExample;
  rows: {
    predicts: 'previous' | 'x0' | 'epsilon';
    variance: 'learned' | 'fixedSmall' | 'fixedLarge' | 'learnedRange';
    mse: PerExample;
    vb: PerExample;
    vb_clipped: PerExample;
    hybrid_learned_mse_plus_vb: PerExample | null;
    p_mean_first4: First;
    p_log_variance_first4: First;
  }[];
  x_t_mean_abs: PerExample;
  x_t_first8: First;
  posterior_mean_first8: First;
  posterior_log_variance_clipped: PerExample;
  prior_bpd: PerExample;
  bound_T50_zero_noise: {
    total_bpd: PerExample;
    prior_bpd: PerExample;
    vb_step_sums: PerExample;
    vb_t0: PerExample;
  };
  discretized_gaussian: {
    mean: number;
    log_scale: number;
    index: readonly number[];
    log_prob: readonly number[];
    log_sum_exp: number;
  }[];
}

export function goldenGaussian(schedule: 'linear' | 'cosine'): GoldenGaussian {
  return golden<GoldenGaussian>(`gaussian-${schedule}`);
}

const SHAPE: [number, number, number, number] = [4, 3, 8, 8];
const SIZE = 4 * 3 * 8 * 8;

function nhwc(f: (i: number) => number): tf.Tensor4D {
  return tf.tidy(() =>
    tf.transpose(
      tf.tensor4d(
        Float32Array.from({ length: SIZE }, (_, i) => f(i)),
        SHAPE,
      ),
      [0, 2, 3, 1],
    ),
  );
}

/** The images of those files, NHWC: integer data on a ramp from −1 to 1. */
export function goldenX0(): tf.Tensor4D {
  return nhwc((i) => Math.round((255 * i) / (SIZE - 1)) / 127.5 - 1);
}

/** The noise of those files, NHWC. */
export function goldenNoise(): tf.Tensor4D {
  return nhwc((i) => Math.SQRT2 * Math.sin(0.7 * i + 0.3));
}

/** The network of those files: half of x_t, with a tenth of it beside where the variance is learned. */
export function goldenDenoiser(variance: string): (xt: tf.Tensor) => tf.Tensor {
  return (xt) =>
    variance.startsWith('learned') ? tf.concat([tf.mul(xt, 0.5), tf.mul(xt, 0.1)], -1) : tf.mul(xt, 0.5);
}

/** The first `count` numbers of each NHWC example in NCHW order. */
export function firstOfEach(x: tf.Tensor, count: number): number[] {
  return tf.tidy(() => [
    ...tf.slice(tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0]!, -1]), [0, 0], [-1, count]).dataSync(),
  ]);
}
