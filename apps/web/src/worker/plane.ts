import { batches } from '@diffusion-ts/datasets';
import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import { hybrid, type Loss, simple, variationalBound, variationalBoundTerms } from '@diffusion-ts/losses';
import { type MlpConfig, type Model, mlp } from '@diffusion-ts/models';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { ancestral, ddim, type Sampler } from '@diffusion-ts/samplers';
import { type Params, rng } from '@diffusion-ts/tensor';
import {
  cosineDecay,
  disposeState,
  initialState,
  stratifiedTimesteps,
  type TimestepSampler,
  type TrainState,
  train,
  warmedUpDecay,
  warmUp,
} from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type PlaneConfig, type PlaneLoss, TRAIN_STEPS } from '../model/plane-config.js';
import { SCHEDULES } from '../model/schedules.js';
import { slicedWasserstein } from '../model/sliced-wasserstein.js';
import { type PlaneSource, planeSource } from './plane-data.js';
import type { Handlers, Job } from './protocol.js';

const BATCH = 256;
const PARTICLES = 512;
const BOUND_POINTS = 256;
const PATHS = 96;
const BINS = 25;
/** How many frames a picture of the reverse process has at most. */
const FRAMES = 100;
/** Steps of the probability flow: enough for smooth lines. */
const FLOW_STEPS = 40;
const MAX_RUNS = 8;
const REPORT_MS = 120;

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

/** What can only be seen by using the network: where the particles go, and what the bound says. */
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

export interface PlaneProgress {
  readonly step: number;
  /** Of the steps since the last report. */
  readonly losses: readonly number[];
  /** Mean training loss in equal parts of the schedule, a recent average; NaN where none was seen. */
  readonly lossByT: Float64Array;
  readonly stepsPerSecond: number;
  readonly evaluation?: PlaneEvaluation;
}

export interface PlaneField {
  /** Columns and rows of the grid. */
  readonly size: number;
  /** The grid covers [−extent, extent]². */
  readonly extent: number;
  /** ∇ ln p at each grid point, x and y in turn. */
  readonly learned: Float32Array;
  /** ∇ ln q where it is known. */
  readonly exact?: Float32Array;
}

export interface PlaneJobs {
  'plane/data': Job<Pick<PlaneConfig, 'data' | 'drawn' | 'seed'>, never, Float32Array>;
  /** Starts run `id`, or goes on with it where it was stopped. */
  'plane/train': Job<{ id: number; config: PlaneConfig; steps: number }, PlaneProgress, PlaneProgress>;
  'plane/field': Job<{ id: number; t: number; size: number; extent: number }, never, PlaneField>;
  'plane/paths': Job<{ id: number }, never, { learned: Frames; exact?: Frames }>;
}

interface PlaneRun {
  readonly config: PlaneConfig;
  readonly source: PlaneSource;
  readonly forward: ForwardProcess;
  readonly model: Model<MlpConfig>;
  readonly state: TrainState;
  readonly lossByT: Float64Array;
}

const runs = new Map<number, PlaneRun>();

export const planeJobs: Handlers<PlaneJobs> = {
  async 'plane/data'(config) {
    return dataPoints(await planeSource(config), 1024);
  },

  async *'plane/train'({ id, config, steps }, signal) {
    const run = runs.get(id) ?? (await open(id, config));
    const { state } = run;
    let losses: number[] = [];
    let reportedAt = performance.now();
    let reportedStep = state.step;
    let stepsPerSecond = 0;
    let evaluateAfter = 0;
    const report = (evaluation?: PlaneEvaluation): PlaneProgress => {
      const now = performance.now();
      if (state.step > reportedStep)
        stepsPerSecond = (1000 * (state.step - reportedStep)) / (now - reportedAt);
      const progress = {
        step: state.step,
        losses,
        lossByT: run.lossByT.slice(),
        stepsPerSecond,
        ...(evaluation && { evaluation }),
      };
      losses = [];
      reportedStep = state.step;
      return progress;
    };

    const training = train({
      state,
      reverse: (params) => reverseOf(run, params),
      loss: LOSSES[config.loss](),
      batches: (start) => batches(run.source.dataset, { size: BATCH, seed: config.seed, start }),
      rng: rng(config.seed).fork('train'),
      steps,
      learningRate: warmUp(50, cosineDecay({ rate: 2e-3, steps: TRAIN_STEPS, finalRate: 1e-4 })),
      maxGradNorm: 1,
      ema: warmedUpDecay(0.99),
      timesteps: observing(run.lossByT),
      signal,
    });
    for await (const { loss } of training) {
      losses.push(loss);
      const now = performance.now();
      if (now > evaluateAfter && state.step < steps) {
        const before = report();
        const evaluation = await evaluate(run, Math.min(config.steps, 40), signal);
        if (evaluation === undefined) continue;
        yield { ...before, evaluation };
        const took = performance.now() - now;
        // A quarter of the time goes to looking, the rest to learning.
        evaluateAfter = performance.now() + 3 * took;
        reportedAt = performance.now();
      } else if (now - reportedAt > REPORT_MS) {
        yield report();
        reportedAt = now;
      }
    }
    return report(await evaluate(run, config.steps));
  },

  async 'plane/field'({ id, t, size, extent }) {
    const run = known(id);
    const reverse = current(run);
    const { schedule } = reverse.forward;
    const fields = tf.tidy(() => {
      const ticks = tf.linspace(-extent, extent, size);
      const [x, y] = tf.meshgrid(ticks, ticks);
      const xt = tf.stack([tf.reshape(x!, [-1]), tf.reshape(y!, [-1])], 1);
      const index = tf.fill([size * size], t, 'int32') as tf.Tensor1D;
      // E[ε | x_t] = −√(1 − ᾱ_t) ∇ ln q(x_t).
      const { epsilon } = reverse.predict(xt, index);
      const learned = tf.mul(epsilon, -1 / Math.sqrt(1 - schedule.alphaBars[t]!));
      const exact = run.source.exact?.score(schedule, xt, index);
      return exact === undefined ? [learned] : [learned, exact];
    });
    const [learned, exact] = (await Promise.all(fields.map((field) => field.data()))) as Float32Array[];
    tf.dispose(fields);
    return { size, extent, learned: learned!, ...(exact && { exact }) };
  },

  async 'plane/paths'({ id }, signal) {
    const run = known(id);
    const reverse = current(run);
    const { schedule } = reverse.forward;
    const flow = ddim({ steps: Math.min(schedule.steps, FLOW_STEPS) });
    const learned = await carry(reverse, flow, PATHS, signal);
    const { exact } = run.source;
    if (exact === undefined) return { learned };
    const predicts = run.config.predicts;
    const perfect = reverseProcess({
      ...reverse,
      variance: 'fixedSmall',
      denoiser: exact.denoiser(schedule, predicts),
    });
    return { learned, exact: await carry(perfect, flow, PATHS, signal) };
  },
};

const LOSSES: Readonly<Record<PlaneLoss, () => Loss>> = {
  simple: () => simple(),
  bound: () => variationalBound({ decoder: 'gaussian' }),
  hybrid: () => hybrid({ decoder: 'gaussian' }),
};

async function open(id: number, config: PlaneConfig): Promise<PlaneRun> {
  const source = await planeSource(config);
  const model = mlp({
    dimensions: 2,
    outputs: config.loss === 'hybrid' ? 4 : 2,
    hidden: 96,
    layers: 3,
    timeFeatures: 32,
  });
  const run: PlaneRun = {
    config,
    source,
    forward: gaussianDiffusion(SCHEDULES[config.schedule]({ steps: config.steps })),
    model,
    state: initialState(model.init(rng(config.seed).fork('init'))),
    lossByT: new Float64Array(BINS).fill(Number.NaN),
  };
  try {
    // A process that the schedule and the prediction do not allow is refused before the run is kept.
    reverseOf(run, run.state.params);
  } catch (error) {
    disposeState(run.state);
    throw error;
  }
  for (const [old, { state }] of [...runs].slice(0, Math.max(0, runs.size + 1 - MAX_RUNS))) {
    disposeState(state);
    runs.delete(old);
  }
  runs.set(id, run);
  return run;
}

function known(id: number): PlaneRun {
  const run = runs.get(id);
  if (run === undefined) throw new RangeError('This run is no longer in memory: train it again.');
  return run;
}

function reverseOf({ config, forward, model }: PlaneRun, params: Params): ReverseProcess {
  return reverseProcess({
    forward,
    denoiser: (xt, t) => model.apply(params, xt, t),
    predicts: config.predicts,
    variance: config.loss === 'hybrid' ? 'learnedRange' : 'fixedSmall',
  });
}

/** The process of the averaged weights: what one would sample from. */
function current(run: PlaneRun): ReverseProcess {
  return reverseOf(run, run.state.ema ?? run.state.params);
}

/** Stratified timesteps that keep an average of the loss in each part of the schedule. */
function observing(lossByT: Float64Array): TimestepSampler {
  return {
    ...stratifiedTimesteps(),
    observe(_, steps, t, losses) {
      t.forEach((index, i) => {
        const bin = Math.floor((lossByT.length * index) / steps);
        const before = lossByT[bin]!;
        lossByT[bin] = Number.isNaN(before) ? losses[i]! : before + 0.02 * (losses[i]! - before);
      });
    },
  };
}

/** What the network can do now; undefined where the signal came first. */
async function evaluate(
  run: PlaneRun,
  steps: number,
  signal: AbortSignal,
): Promise<PlaneEvaluation | undefined>;
async function evaluate(run: PlaneRun, steps: number): Promise<PlaneEvaluation>;
async function evaluate(
  run: PlaneRun,
  steps: number,
  signal?: AbortSignal,
): Promise<PlaneEvaluation | undefined> {
  const reverse = current(run);
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
async function carry(
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

async function dataPoints({ dataset }: PlaneSource, count: number): Promise<Float32Array> {
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
