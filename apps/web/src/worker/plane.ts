import { batches } from '@diffusion-ts/datasets';
import { hybrid, type Loss, simple, variationalBound } from '@diffusion-ts/losses';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { disposeParams, mapParams, rng } from '@diffusion-ts/tensor';
import {
  cosineDecay,
  disposeState,
  stratifiedTimesteps,
  type TimestepSampler,
  train,
  warmedUpDecay,
  warmUp,
} from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type PlaneConfig, type PlaneLoss, TRAIN_STEPS } from '../model/plane-config.js';
import { planeSource } from './plane-data.js';
import { carry, dataPoints, evaluate, type Frames, type PlaneEvaluation } from './plane-evaluation.js';
import { averaged, averagedParams, type PlaneRun, planeRun, reverseOf } from './plane-run.js';
import { forgetPlaneRuns, storedPlaneRuns, storePlaneRun } from './plane-storage.js';
import type { Handlers, Job } from './protocol.js';

const BATCH = 256;
const PATHS = 96;
/** Steps of the probability flow: enough for smooth lines. */
const FLOW_STEPS = 40;
const MAX_RUNS = 6;
const REPORT_MS = 120;
/** Before that there is nothing to see but noise. */
const FIRST_LOOK = 50;

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

/** A run of an earlier visit. */
export interface RestoredPlaneRun extends PlaneProgress {
  readonly id: number;
  readonly config: PlaneConfig;
}

export interface PlaneJobs {
  'plane/data': Job<Pick<PlaneConfig, 'data' | 'drawn' | 'seed'>, never, Float32Array>;
  /** Starts run `id`, or goes on with it where it was stopped. */
  'plane/train': Job<{ id: number; config: PlaneConfig; steps: number }, PlaneProgress, PlaneProgress>;
  /** The runs of earlier visits, the oldest first. */
  'plane/restore': Job<Record<string, never>, never, readonly RestoredPlaneRun[]>;
  'plane/forget': Job<{ ids: readonly number[] }, never, void>;
  'plane/field': Job<{ id: number; t: number; size: number; extent: number }, never, PlaneField>;
  'plane/paths': Job<{ id: number }, never, { learned: Frames; exact?: Frames }>;
}

const runs = new Map<number, PlaneRun>();
/** Those that are being trained, so that their weights are in use, and have not been forgotten meanwhile. */
const training = new Set<number>();

export const planeJobs: Handlers<PlaneJobs> = {
  async 'plane/data'(config) {
    return dataPoints(await planeSource(config), 1024);
  },

  async *'plane/train'({ id, config, steps }, signal) {
    training.add(id);
    let run = runs.get(id);
    try {
      run ??= await planeRun(config);
      runs.set(id, run);
      return yield* trained(id, run, steps, signal);
    } finally {
      if (!training.delete(id)) {
        // Forgotten meanwhile.
        runs.delete(id);
        if (run !== undefined) disposeState(run.state);
        await forgetPlaneRuns([id]);
      }
    }
  },

  async 'plane/restore'() {
    for (const [id, run] of await storedPlaneRuns(MAX_RUNS)) if (!runs.has(id)) runs.set(id, run);
    return [...runs].map(([id, { config, state, losses, lossByT, evaluation }]) => ({
      id,
      config,
      step: state.step,
      losses: [...losses.subarray(0, state.step)],
      lossByT,
      stepsPerSecond: 0,
      ...(evaluation && { evaluation }),
    }));
  },

  async 'plane/forget'({ ids }) {
    for (const id of ids) {
      const run = runs.get(id);
      runs.delete(id);
      // One that is being trained is disposed when that has ended.
      if (!training.delete(id) && run !== undefined) disposeState(run.state);
    }
    await forgetPlaneRuns(ids);
  },

  async 'plane/field'({ id, t, size, extent }) {
    const run = known(id);
    const reverse = averaged(run);
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
    // Training goes on meanwhile, and frees the weights that it replaces.
    const params = mapParams(averagedParams(run), (tensor) => tf.clone(tensor));
    try {
      const reverse = averaged(run, params);
      const { schedule } = reverse.forward;
      const flow = ddim({ steps: Math.min(schedule.steps, FLOW_STEPS) });
      const learned = await carry(reverse, flow, PATHS, signal);
      const { exact } = run.source;
      if (exact === undefined) return { learned };
      const perfect = reverseProcess({
        ...reverse,
        variance: 'fixedSmall',
        denoiser: exact.denoiser(schedule, run.config.predicts),
      });
      return { learned, exact: await carry(perfect, flow, PATHS, signal) };
    } finally {
      disposeParams(params);
    }
  },
};

/** Trains a run until its end or the signal, looks at what it can do every now and then, and stores it each time. */
async function* trained(
  id: number,
  run: PlaneRun,
  steps: number,
  signal: AbortSignal,
): AsyncGenerator<PlaneProgress, PlaneProgress> {
  const { config, state } = run;
  let losses: number[] = [];
  let reportedAt = performance.now();
  let reportedStep = state.step;
  let stepsPerSecond = 0;
  let evaluateAfter = 0;
  const report = (evaluation?: PlaneEvaluation): PlaneProgress => {
    const now = performance.now();
    if (state.step > reportedStep) stepsPerSecond = (1000 * (state.step - reportedStep)) / (now - reportedAt);
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

  const walk = train({
    state,
    reverse: (params) => reverseOf(run, params),
    loss: LOSSES[config.loss](),
    batches: (start) => batches(run.source.dataset, { size: BATCH, seed: config.seed, start }),
    rng: rng(config.seed).fork('train'),
    steps,
    learningRate: warmUp(10, cosineDecay({ rate: 1e-2, steps: TRAIN_STEPS, finalRate: 1e-4 })),
    maxGradNorm: 1,
    ema: warmedUpDecay(0.995),
    timesteps: observing(run.lossByT),
    signal,
  });
  for await (const { loss } of walk) {
    losses.push(loss);
    run.losses[state.step - 1] = loss;
    const now = performance.now();
    if (now > evaluateAfter && state.step >= FIRST_LOOK && state.step < steps) {
      const before = report();
      const evaluation = await evaluate(run, Math.min(config.steps, 40), signal);
      if (evaluation === undefined) continue;
      yield { ...before, evaluation };
      run.evaluation = evaluation;
      await keep(id, run);
      const took = performance.now() - now;
      // A quarter of the time goes to looking, the rest to learning.
      evaluateAfter = performance.now() + 3 * took;
      reportedAt = performance.now();
    } else if (now - reportedAt > REPORT_MS) {
      yield report();
      reportedAt = now;
    }
  }
  if (!training.has(id)) return report();
  run.evaluation = await evaluate(run, config.steps);
  await keep(id, run);
  return report(run.evaluation);
}

async function keep(id: number, run: PlaneRun): Promise<void> {
  await storePlaneRun(id, run).catch(() => {
    // A browser that stores nothing still shows the run until the tab is closed.
  });
}

const LOSSES: Readonly<Record<PlaneLoss, () => Loss>> = {
  simple: () => simple(),
  bound: () => variationalBound({ decoder: 'gaussian' }),
  hybrid: () => hybrid({ decoder: 'gaussian' }),
};

function known(id: number): PlaneRun {
  const run = runs.get(id);
  if (run === undefined) throw new RangeError('This run is no longer in memory: train it again.');
  return run;
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
