import type { Rng } from '@diffusion-ts/tensor';

/** The last losses that were seen at each timestep, oldest first; empty as long as nobody keeps them. */
export type LossHistory = number[][];

/** A timestep for each example of a batch. */
export interface TimestepDraw {
  /** Indices 0 … steps − 1 into the schedule. */
  readonly t: Int32Array;
  /** 1/(steps · p(t)): with it the weighted mean of the losses estimates the mean over uniform t. */
  readonly weights: Float32Array;
}

/** Chooses the timesteps to train on. */
export interface TimestepSampler {
  draw(rng: Rng, size: number, steps: number, history: LossHistory): TimestepDraw;
  /** Adds what a step has seen to the history. A sampler without it needs none. */
  observe?(history: LossHistory, steps: number, t: Int32Array, losses: ArrayLike<number>): void;
}
