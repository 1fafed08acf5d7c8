import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseLevel, NoiseSchedule, Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler, SamplerOptions } from '../sampler.js';
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
