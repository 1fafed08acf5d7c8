import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { type NoiseLevel, type NoiseSchedule, type Times, times } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler, SamplerOptions } from '../src/index.js';
import { type Batch, toBatch, toTensor } from './batch.js';
import { FACTORS, SHAPE } from './mixing-data.js';

/** A run on the host: what each step showed, and where it ended. */
export interface Recorded {
  readonly x: Batch[];
  readonly x0: Batch[];
  readonly from: NoiseLevel[];
  readonly to: NoiseLevel[];
  readonly end: Batch;
}

/** Runs a sampler to its end, from a batch of examples with these factors. */
export async function record<D extends Distribution = Gaussian>(
  sampler: Sampler<D>,
  reverse: ReverseProcess<D>,
  start: Batch,
  { factors = FACTORS, ...options }: SamplerOptions & { factors?: readonly number[] } = {},
): Promise<Recorded> {
  const condition = { factor: tf.tensor1d([...factors]) };
  const xT = toTensor(start, SHAPE);
  const shown: Omit<Recorded, 'end'> = { x: [], x0: [], from: [], to: [] };
  const run = sampler(reverse, xT, { condition, ...options });
  let next = await run.next();
  for (; !next.done; next = await run.next()) {
    shown.x.push(toBatch(next.value.x));
    shown.x0.push(toBatch(next.value.x0));
    shown.from.push(next.value.from);
    shown.to.push(next.value.to);
  }
  const end = toBatch(next.value);
  tf.dispose([next.value, xT, condition.factor]);
  return { ...shown, end };
}

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

/** Where a sampler ends. */
export async function end<D extends Distribution = Gaussian>(
  ...run: Parameters<typeof record<D>>
): Promise<Batch> {
  return (await record<D>(...run)).end;
}

/** The levels that a list of times visits, the data last. */
export function levelsOf(list: Times, schedule: NoiseSchedule): NoiseLevel[] {
  return Array.from(list(schedule), (t) => schedule.level(t));
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
