// What can only be seen by using the network: where the particles go, and what the bound says.

import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { simple, variationalBoundTerms } from '@diffusion-ts/losses';
import { scheduleOf, timesOf } from '@diffusion-ts/recipes';
import {
  fixedSmall,
  type GaussianReverseProcess,
  PREDICTIONS,
  reverseProcess,
} from '@diffusion-ts/reverse-process';
import { ancestral, type Sampler } from '@diffusion-ts/samplers';
import { finish, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { PlaneConfig } from './config.js';
import { type PlaneSource, planeSource } from './data.js';
import { averagedWithin, type PlaneModel } from './model.js';
import { slicedWasserstein } from './sliced-wasserstein.js';

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

/** Points at some times: frame k holds x and y of each of them in turn. */
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

/**
 * What the network can do now.
 * @throws the signal's reason where that comes first.
 */
export async function evaluate(
  model: PlaneModel,
  steps: number,
  signal?: AbortSignal,
): Promise<PlaneEvaluation> {
  const reverse = averagedWithin(model);
  const { step } = model.state;
  const times = timesOf({ sampler: 'ancestral', steps, times: null }, model.forward.schedule);
  const particles = await carry(reverse, ancestral({ times }), PARTICLES, signal);
  const bound = await boundOf(model, reverse, signal);
  const data = await dataPoints(model.source, PARTICLES);
  return {
    step,
    bound,
    simple: await simpleOf(model, reverse),
    particles,
    distance: slicedWasserstein(particles.points.at(-1)!, data),
    distanceOfNoise: slicedWasserstein(particles.points[0]!, data),
  };
}

/** What no run can do better than. */
export interface PlaneFloor {
  /** The bound of the exact denoiser, with the fixed variance β̃: on as many points and the same noise as a run's. */
  readonly bound: PlaneBound;
  /** −log₂ q(x_0) of the same points, in bits per dimension: what any bound is above. */
  readonly entropy: number;
}

/** Undefined where the distribution of the data has no formula. */
export async function floorOf(
  config: Pick<PlaneConfig, 'data' | 'drawn' | 'seed' | 'schedule' | 'steps' | 'predicts'>,
  signal?: AbortSignal,
): Promise<PlaneFloor | undefined> {
  const source = await planeSource(config);
  const { exact } = source;
  if (exact === undefined) return undefined;
  const { schedule, steps, predicts } = config;
  const forward = gaussianDiffusion(scheduleOf({ kind: schedule, steps }));
  const reverse = reverseProcess({
    forward,
    predicts: PREDICTIONS[predicts],
    variance: fixedSmall,
    denoiser: exact.denoiser(forward.schedule, PREDICTIONS[predicts]),
  });
  const points = await dataPoints(source, BOUND_POINTS);
  const bits = Float64Array.from({ length: BOUND_POINTS }, (_, i) =>
    exact.bits(points[2 * i]!, points[2 * i + 1]!),
  );
  return { bound: await boundOf({ config, source }, reverse, signal), entropy: mean(bits) };
}

async function boundOf(
  { config, source }: { readonly config: Pick<PlaneConfig, 'seed'>; readonly source: PlaneSource },
  reverse: GaussianReverseProcess,
  signal: AbortSignal | undefined,
): Promise<PlaneBound> {
  const x0 = await examples(source, BOUND_POINTS);
  try {
    const random = rng(config.seed).fork('bound');
    const terms = await variationalBoundTerms(reverse, x0, random, { ...(signal && { signal }) });
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

async function simpleOf({ config, source }: PlaneModel, reverse: GaussianReverseProcess): Promise<number> {
  const count = 4 * BOUND_POINTS;
  const x0 = await examples(source, count);
  const t = Float64Array.from({ length: count }, (_, i) => Math.floor((config.steps * i) / count));
  const losses = tf.tidy(() => simple()({ reverse, x0, t, noise: rng(2).normal(x0.shape) }).perExample);
  const value = mean(await losses.data<'float32'>());
  tf.dispose([x0, losses]);
  return value;
}

/** Noise carried to data: x_t at every step, or at evenly spread ones, from the noise on; the last entry is x_0. */
export async function carry(
  reverse: GaussianReverseProcess,
  sampler: Sampler,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Frames> {
  const random = rng(7);
  const xT = latent(reverse.forward, random.fork('xT'), [count, 2]);
  const t: number[] = [];
  const points: Float32Array[] = [];
  try {
    const walk = sampler(reverse, xT, { rng: random.fork('walk'), ...(signal && { signal }) });
    const x0 = await finish(walk, async ({ from, x, index, total = FRAMES }) => {
      if (index % Math.ceil(total / FRAMES) !== 0) return;
      t.push(from.t);
      points.push(await x.data<'float32'>());
    });
    t.push(reverse.forward.schedule.start);
    points.push(await x0.data<'float32'>());
    x0.dispose();
    return { t, points };
  } finally {
    xT.dispose();
  }
}

export async function dataPoints(source: PlaneSource, count: number): Promise<Float32Array> {
  const x0 = await examples(source, count);
  const points = await x0.data<'float32'>();
  x0.dispose();
  return points;
}

/** The first points of the data. */
async function examples({ dataset }: PlaneSource, count: number): Promise<tf.Tensor> {
  const { x0 } = await dataset.batch(Array.from({ length: count }, (_, i) => i));
  return x0;
}

function mean(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
