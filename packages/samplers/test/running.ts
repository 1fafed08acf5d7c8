import { type NoiseLevel, type Times, times } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../src/conformance/batch.js';
import type { Recorded } from '../src/conformance/record.js';

export { end, levelsOf, type Recorded, record } from '../src/conformance/record.js';

/** Asserts that every step of a run went where it is expected to. */
export function expectSteps(
  { x, x0, from, to, end }: Recorded,
  expected: (step: { x: Batch; x0: Batch; from: NoiseLevel; to: NoiseLevel; index: number }) => Batch,
  tolerance: { relative?: number; absolute?: number } = {},
): void {
  [...x.slice(1), end].forEach((next, index) => {
    const step = { x: x[index]!, x0: x0[index]!, from: from[index]!, to: to[index]!, index };
    expectAllClose(next.flat(), expected(step).flat(), { relative: 1e-4, absolute: 1e-5, ...tolerance });
  });
}

/** `steps` steps of equal length in λ = ½ ln SNR from one to another, and a last one to the data, on any schedule. */
export function uniformInLambda(steps: number, from = -4, to = 3): Times {
  return (schedule) => {
    const lambdas = Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps);
    return times(lambdas.map((lambda) => schedule.timeOf(2 * lambda)))(schedule);
  };
}

/** Noise that is this number everywhere. */
export function constantNoise(value: number): Rng {
  const fill = (shape: readonly number[]): tf.Tensor => tf.fill([...shape], value);
  const self: Rng = {
    normal: fill,
    uniform: fill,
    doubles: (count) => new Float64Array(count).fill(value),
    integers: (shape) => tf.cast(fill(shape), 'int32'),
    fork: () => self,
    rows: () => self,
  };
  return self;
}
