import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition, Rng } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface SamplerOptions {
  /** Where the noise of every step comes from: row i of each draw goes to sample i. */
  readonly rng: Rng;
  /** Stops the sampler between two steps; the generator then throws `signal.reason`. */
  readonly signal?: AbortSignal;
  /** What the network is told about the samples. */
  readonly condition?: Condition;
}

/** What a sampler shows of each step. Its tensors are valid until the generator is resumed. */
export interface SamplerStep {
  /** What the network was told of the time: `schedule.timesteps[…]`. */
  readonly t: number;
  /** The sample at this t, `[batch, …]`, before the step. */
  readonly xt: Tensor;
  /** The network's prediction of x_0 from it, same shape. */
  readonly x0: Tensor;
  /** 0 for the first step taken, total − 1 for the last. */
  readonly index: number;
  readonly total: number;
}

/**
 * Turns x_T into x_0, step by step. `xT` `[batch, …]` remains the caller's; the tensor that the generator returns belongs
 * to the caller; a generator that is left early, or that throws, has freed everything.
 */
export type Sampler = (
  reverse: ReverseProcess,
  xT: Tensor,
  options: SamplerOptions,
) => AsyncGenerator<SamplerStep, Tensor>;
