import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition, PerExample } from '@diffusion-ts/tensor';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';

/** One value per example, `[batch]`: what is minimised, and where a loss is a sum, its parts by name. */
export type LossTerms = {
  /** The loss of each example, `[batch]`. */
  readonly perExample: Tensor1D;
} & Readonly<Record<string, Tensor1D>>;

/** What a loss is computed on. */
export interface LossContext<R = GaussianReverseProcess> {
  /** The process whose network is trained. */
  readonly reverse: R;
  /** The same with the moving average of the weights, where there is one: a teacher that changes slowly. */
  readonly average?: R;
  /** `[batch, …]`. */
  readonly x0: Tensor;
  /** One time for all or one for each example. */
  readonly t: PerExample;
  /** What x_t is made with, as the forward process draws it. */
  readonly noise: Tensor;
  /** What the network is told of each example beside the time. */
  readonly condition?: Condition;
}

/**
 * A loss at given times and noise. `R` is the reverse process that it asks for: a Gaussian one unless said otherwise.
 * Averages go over everything but the batch. The caller disposes the result.
 */
export type Loss<R = GaussianReverseProcess> = (context: LossContext<R>) => LossTerms;
