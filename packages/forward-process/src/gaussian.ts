import type { Tensor } from '@tensorflow/tfjs-core';

/** A Gaussian with independent components; `variance` and `logVariance` broadcast against `mean`. */
export type Gaussian = {
  readonly mean: Tensor;
  readonly variance: Tensor;
  /** Natural logarithm of the variance, finite even where the variance is 0 (see who made it). */
  readonly logVariance: Tensor;
};
