// What can only be seen by using the network: where the particles go, and what the bound says.

import { simple, variationalBoundTerms } from '@diffusion-ts/losses';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { ancestral, type Sampler } from '@diffusion-ts/samplers';
import { rng } from '@diffusion-ts/tensor';
import { stratifiedTimesteps } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { slicedWasserstein } from '../model/sliced-wasserstein.js';
import type { PlaneSource } from './plane-data.js';
import { averaged, type PlaneRun } from './plane-run.js';

const PARTICLES = 512;
const BOUND_POINTS = 256;
/** How many frames a picture of the reverse process has at most. */
const FRAMES = 100;

/** The bound on the data, term by term, in bits per dimension. */
export interface PlaneBound {
  /** L_T. */
  readonly prior: number;
  /** L_{t−1} for index t = 1 … T − 1, at entry t − 1. */
  readonly transitions: Float64Array;
  /** L_0. */
  readonly reconstruction: number;
  readonly total: number;
}

/** Points at some timesteps: frame k holds x and y of each of them in turn. */
export interface Frames {
  readonly t: readonly number[];
  readonly points: readonly Float32Array[];
}

export interface PlaneEvaluation {
  readonly step: number;
  readonly bound: PlaneBound;
  /** L_simple of what the network predicts, over all t alike. */
  readonly simple: number;
  readonly particles: Frames;
  /** Sliced Wasserstein distance of the particles' end to the data. */
  readonly distance: number;
  /** Of pure noise to the data: what the untrained network gives. */
  readonly distanceOfNoise: number;
}

/** What the network can do now; undefined where the signal came first. */
export async function evaluate(
  run: PlaneRun,
  steps: number,
  signal: AbortSignal,
): Promise<PlaneEvaluation | undefined>;
export async function evaluate(run: PlaneRun, steps: number): Promise<PlaneEvaluation>;
export async function evaluate(
  run: PlaneRun,
  steps: number,
  signal?: AbortSignal,
): Promise<PlaneEvaluation | undefined> {
  const reverse = averaged(run);
  const { step } = run.state;
  try {
    const particles = await carry(reverse, ancestral({ steps }), PARTICLES, signal);
    const bound = await boundOf(run, reverse, signal);
    const data = await dataPoints(run.source, PARTICLES);
    return {
      step,
      bound,
      simple: await simpleOf(run, reverse),
      particles,
      distance: slicedWasserstein(particles.points.at(-1)!, data),
      distanceOfNoise: slicedWasserstein(particles.points[0]!, data),
    };
  } catch (error) {
    if (signal?.aborted) return undefined;
    throw error;
  }
}

async function boundOf(
  run: PlaneRun,
  reverse: ReverseProcess,
  signal: AbortSignal | undefined,
): Promise<PlaneBound> {
  const { x0 } = await run.source.dataset.batch(Array.from({ length: BOUND_POINTS }, (_, i) => i));
  try {
    const terms = await variationalBoundTerms(reverse, x0, rng(run.config.seed).fork('bound'), {
      decoder: 'gaussian',
      ...(signal && { signal }),
    });
    return {
      prior: mean(terms.prior),
      transitions: Float64Array.from(terms.transitions, mean),
      reconstruction: mean(terms.reconstruction),
      total: mean(terms.bitsPerDim),
    };
  } finally {
    x0.dispose();
  }
}

async function simpleOf(run: PlaneRun, reverse: ReverseProcess): Promise<number> {
  const count = 4 * BOUND_POINTS;
  const { x0 } = await run.source.dataset.batch(Array.from({ length: count }, (_, i) => i));
  const losses = tf.tidy(() => {
    const { t } = stratifiedTimesteps().draw(rng(1), count, reverse.forward.schedule.steps, []);
    return simple()(reverse, x0, tf.tensor1d(t, 'int32'), rng(2).normal(x0.shape)).perExample;
  });
  const value = mean(await losses.data());
  tf.dispose([x0, losses]);
  return value;
}

/** Noise carried to data: x_t at every step, or at evenly spread ones, from the noise on; the last entry is x_0. */
export async function carry(
  reverse: ReverseProcess,
  sampler: Sampler,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Frames> {
  const random = rng(7);
  const xT = random.fork('xT').normal([count, 2]);
  const t: number[] = [];
  const points: Float32Array[] = [];
  try {
    const walk = sampler(reverse, xT, { rng: random.fork('walk'), ...(signal && { signal }) });
    let next = await walk.next();
    while (!next.done) {
      const { xt, index, total, t: at } = next.value;
      if (index % Math.ceil(total / FRAMES) === 0) {
        t.push(at);
        points.push((await xt.data()).slice() as Float32Array);
      }
      next = await walk.next();
    }
    t.push(-1);
    points.push((await next.value.data()) as Float32Array);
    next.value.dispose();
    return { t, points };
  } finally {
    xT.dispose();
  }
}

export async function dataPoints({ dataset }: PlaneSource, count: number): Promise<Float32Array> {
  const { x0 } = await dataset.batch(Array.from({ length: count }, (_, i) => i));
  const points = (await x0.data()) as Float32Array;
  x0.dispose();
  return points;
}

function mean(values: Float32Array | Float64Array | Int32Array | Uint8Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
