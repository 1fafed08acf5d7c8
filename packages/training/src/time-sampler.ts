import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';

/** The last losses that were seen at each timestep, oldest first; empty as long as nobody keeps them. */
export type LossHistory = number[][];

/** A time for each example of a batch. */
export interface TimeDraw {
  /** The times, `[batch]`. */
  readonly t: Float64Array;
  /** uniform density / density of t: with it the weighted mean of the losses estimates the mean over uniform t. */
  readonly weights: Float64Array;
}

/** Chooses the times to train on. */
export interface TimeSampler {
  /**
   * Times of the schedule for a batch of `size`, drawn from `rng`.
   * @throws RangeError where it cannot serve such a schedule.
   */
  draw(rng: Rng, size: number, schedule: NoiseSchedule, history: LossHistory): TimeDraw;
  /** Adds what a step has seen to the history. A sampler without it needs none. */
  observe?(history: LossHistory, schedule: NoiseSchedule, t: Float64Array, losses: ArrayLike<number>): void;
}

/** Times that are what they are, each with the weight 1. */
export function unweighted(t: Float64Array): TimeDraw {
  return { t, weights: new Float64Array(t.length).fill(1) };
}

/** The time at the part u ∈ (0, 1] of the way from the data to the noise: a whole one, where the schedule is discrete. */
export function timeAt({ steps, start, end }: NoiseSchedule, u: number): number {
  return steps === undefined ? start + u * (end - start) : Math.min(Math.floor(steps * u), steps - 1);
}
