import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import type { Condition, Rng } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/** What a run of a sampler is given beside x_T. */
export interface SamplerOptions {
  /** Where the noise of every step comes from: row i of each draw goes to sample i. A deterministic sampler needs none. */
  readonly rng?: Rng;
  /** Stops the sampler between two steps; the generator then throws `signal.reason`. */
  readonly signal?: AbortSignal;
  /** What the network is told about the samples. */
  readonly condition?: Condition;
}

/** What a sampler shows of each step. Its tensors are valid until the generator is resumed. */
export interface SamplerStep {
  /** The level that the step starts from. */
  readonly from: NoiseLevel;
  /** The level that it goes to. */
  readonly to: NoiseLevel;
  /** The sample at `from`, `[batch, …]`. */
  readonly x: Tensor;
  /** The network's prediction of x_0 from it, same shape. */
  readonly x0: Tensor;
  /** 0 for the first step taken. */
  readonly index: number;
  /** How many steps there will be; absent where the sampler finds out as it goes. */
  readonly total?: number;
}

/**
 * Turns x_T into x_0, step by step. `xT` `[batch, …]`, a draw of the process's prior, remains the caller's; the tensor
 * that the generator returns belongs to the caller; a generator that is left early, or that throws, has freed everything.
 */
export type Sampler<D extends Distribution = Gaussian> = (
  reverse: ReverseProcess<D>,
  xT: Tensor,
  options?: SamplerOptions,
) => AsyncGenerator<SamplerStep, Tensor>;
