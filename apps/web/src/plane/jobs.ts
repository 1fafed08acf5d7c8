import { batches } from '@diffusion-ts/datasets';
import { timesOf, trainingOf } from '@diffusion-ts/recipes';
import { fixedSmall } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { disposeParams, mapParams, rng } from '@diffusion-ts/tensor';
import { disposeState, type StepRecord, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import type { Client, Handlers, Job } from '../lab/protocol.js';
import { MAX_RUNS, type PlaneConfig } from './config.js';
import { planeSource } from './data.js';
import { carry, dataPoints, evaluate, type Frames, type PlaneEvaluation } from './evaluation.js';
import { fieldOf, type PlaneField } from './field.js';
import { averagedParams, averagedWithin, type PlaneModel, planeModel } from './model.js';
import { forgetPlaneRuns, storedPlaneRuns, storePlaneRun } from './storage.js';

const PATHS = 96;
/** Steps of the probability flow: enough for smooth lines. */
const FLOW_STEPS = 40;
/** Steps of the particles as long as training goes on. */
const LOOK_STEPS = 40;
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

const models = new Map<number, PlaneModel>();
/** Those that are being trained, so that their weights are in use, and have not been forgotten meanwhile. */
const training = new Set<number>();

export const planeJobs: Handlers<PlaneJobs> = {
  async 'plane/data'(config) {
    return dataPoints(await planeSource(config), 1024);
  },

  async 'plane/train'({ id, config, steps }, client) {
    training.add(id);
    let model = models.get(id);
    try {
      model ??= await planeModel(config);
      models.set(id, model);
      return await trained(id, model, steps, client);
    } finally {
      if (!training.delete(id)) {
        // Forgotten meanwhile.
        models.delete(id);
        if (model !== undefined) disposeState(model.state);
        await forgetPlaneRuns([id]);
      }
    }
  },

  async 'plane/restore'() {
    for (const [id, model] of await storedPlaneRuns(MAX_RUNS)) if (!models.has(id)) models.set(id, model);
    return [...models].map(([id, { config, state, losses, lossByT, evaluation }]) => ({
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
      const model = models.get(id);
      models.delete(id);
      // One that is being trained is disposed when that has ended.
      if (!training.delete(id) && model !== undefined) disposeState(model.state);
    }
    await forgetPlaneRuns(ids);
  },

  async 'plane/field'({ id, ...grid }) {
    return fieldOf(known(id), grid);
  },

  async 'plane/paths'({ id }, { signal }) {
    const model = known(id);
    const { schedule } = model.forward;
    const times = timesOf(
      { sampler: 'ddim', steps: Math.min(model.config.steps, FLOW_STEPS), times: null },
      schedule,
    );
    const flow = ddim({ times });
    // Training goes on meanwhile, and frees the weights that it replaces.
    const params = mapParams(averagedParams(model.state), (tensor) => tf.clone(tensor));
    try {
      const reverse = averagedWithin(model, params);
      const learned = await carry(reverse, flow, PATHS, signal);
      const { exact } = model.source;
      if (exact === undefined) return { learned };
      const denoiser = exact.denoiser(schedule, reverse.predicts);
      const perfect = { ...reverse, variance: fixedSmall, denoiser };
      return { learned, exact: await carry(perfect, flow, PATHS, signal) };
    } finally {
      disposeParams(params);
    }
  },
};

/** Trains a run until its end or the signal, looks at what it can do every now and then, and stores it each time. */
async function trained(
  id: number,
  model: PlaneModel,
  steps: number,
  { signal, report }: Client<PlaneProgress>,
): Promise<PlaneProgress> {
  const { config, run, source, network, forward, state } = model;
  let losses: number[] = [];
  let reportedAt = performance.now();
  let reportedStep = state.step;
  let stepsPerSecond = 0;
  let evaluateAfter = 0;
  const progress = (evaluation?: PlaneEvaluation): PlaneProgress => {
    const now = performance.now();
    if (state.step > reportedStep) stepsPerSecond = (1000 * (state.step - reportedStep)) / (now - reportedAt);
    const taken = {
      step: state.step,
      losses,
      lossByT: model.lossByT.slice(),
      stepsPerSecond,
      ...(evaluation && { evaluation }),
    };
    losses = [];
    reportedStep = state.step;
    return taken;
  };

  const { dispose, ...options } = trainingOf(run, network, forward, rng(config.seed).fork('train'));
  const records = train({
    ...options,
    state,
    batches: (start) => batches(source.dataset, { size: run.training.batch, seed: config.seed, start }),
    steps,
    signal,
  });
  try {
    for await (const record of records) {
      losses.push(record.loss);
      model.losses[record.step - 1] = record.loss;
      observe(model.lossByT, config.steps, record);
      const now = performance.now();
      if (now > evaluateAfter && state.step >= FIRST_LOOK && state.step < steps) {
        const before = progress();
        const evaluation = await evaluate(model, Math.min(config.steps, LOOK_STEPS), signal).catch(
          (error) => {
            if (signal.aborted) return undefined;
            throw error;
          },
        );
        if (evaluation === undefined) continue;
        report({ ...before, evaluation });
        model.evaluation = evaluation;
        await keep(id, model);
        const took = performance.now() - now;
        // A quarter of the time goes to looking, the rest to learning.
        evaluateAfter = performance.now() + 3 * took;
        reportedAt = performance.now();
      } else if (now - reportedAt > REPORT_MS) {
        report(progress());
        reportedAt = now;
      }
    }
  } finally {
    dispose();
  }
  if (!training.has(id)) return progress();
  model.evaluation = await evaluate(model, config.steps);
  await keep(id, model);
  return progress(model.evaluation);
}

/** Takes a step into the average of the loss in each part of the schedule. */
function observe(lossByT: Float64Array, steps: number, { t, losses }: StepRecord): void {
  t.forEach((time, i) => {
    const bin = Math.floor((lossByT.length * time) / steps);
    const before = lossByT[bin]!;
    lossByT[bin] = Number.isNaN(before) ? losses[i]! : before + 0.02 * (losses[i]! - before);
  });
}

async function keep(id: number, model: PlaneModel): Promise<void> {
  await storePlaneRun(id, model).catch(() => {
    // A browser that stores nothing still shows the run until the tab is closed.
  });
}

function known(id: number): PlaneModel {
  const model = models.get(id);
  if (model === undefined) throw new RangeError('This run is no longer in memory: train it again.');
  return model;
}
