import type { NoiseLevel } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/** The noise of one run. */
export interface Noise {
  /**
   * Standard normal numbers of the shape of the samples: what the way from a level to one of less noise adds to them, in
   * its deviations. The tensor is the caller's.
   */
  between(from: NoiseLevel, to: NoiseLevel): Tensor;
  /** Frees what is kept for later. */
  dispose(): void;
}

/** Where a run that draws takes its noise from: `brownianTree` or `freshNoise`. */
export type NoiseSource = (rng: Rng, shape: readonly number[]) => Noise;

/** Noise drawn anew each time it is asked for, from one level to another or not. */
export function freshNoise(rng: Rng, shape: readonly number[]): Noise {
  return { between: () => rng.normal(shape), dispose() {} };
}
