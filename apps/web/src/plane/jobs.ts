import { batches } from '@diffusion-ts/datasets';
import { timesOf, trainingOf } from '@diffusion-ts/recipes';
import { fixedSmall } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { disposeParams, mapParams, rng } from '@diffusion-ts/tensor';
import { disposeState, type StepRecord, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type Client, type Handlers, type Job, stoppedBy } from '../lab/protocol.js';
import { ELSEWHERE } from '../lab/storage.js';
import { MAX_RUNS, type PlaneConfig } from './config.js';
import { planeSource } from './data.js';
import {
  carry,
  dataPoints,
  evaluate,
  type Frames,
  floorOf,
  type PlaneEvaluation,
  type PlaneFloor,
} from './evaluation.js';
import { fieldOf, type PlaneField } from './field.js';
import { averagedParams, averagedWithin, type PlaneModel, planeModel } from './model.js';
import { forgetPlaneRuns, ownPlaneRun, storedPlaneRuns, storePlaneRun } from './storage.js';

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
  /** Why the run is not being stored, where it is not; of the last time that it was tried. */
  readonly notStored?: string;
}

/** A run of an earlier visit. */
export interface RestoredPlaneRun extends PlaneProgress {
  readonly id: number;
  readonly config: PlaneConfig;
  /** Whether another tab has it: here it can only be looked at. */
  readonly elsewhere: boolean;
  /** The bound at each look so far: the step, and the bits per dimension. */
  readonly bounds: readonly (readonly [number, number])[];
}

export interface PlaneJobs {
  'plane/data': Job<Pick<PlaneConfig, 'data' | 'drawn' | 'seed'>, never, Float32Array>;
  /** Starts run `id`, or goes on with it where it was stopped. */
  'plane/train': Job<{ id: number; config: PlaneConfig; steps: number }, PlaneProgress, PlaneProgress>;
  /** The runs of earlier visits, the oldest first, and what became of those that cannot be read. */
  'plane/restore': Job<
    Record<string, never>,
    never,
    { readonly runs: readonly RestoredPlaneRun[]; readonly notices: readonly string[] }
  >;
  /** Ends when nothing of the runs is left, nor will be: what trains them has then stopped. */
  'plane/forget': Job<{ ids: readonly number[] }, never, void>;
  /** What no run can do better than; undefined where the distribution of the data has no formula. */
  'plane/floor': Job<PlaneConfig, never, PlaneFloor | undefined>;
  'plane/field': Job<{ id: number; t: number; size: number; extent: number }, never, PlaneField>;
  'plane/paths': Job<{ id: number }, never, { learned: Frames; exact?: Frames }>;
}

const models = new Map<number, PlaneModel>();
/** Those that are being trained, so that their weights are in use. */
const training = new Map<number, { readonly stopper: AbortController; readonly ended: Promise<unknown> }>();

const mine = new Set<number>();

/** Whether a run is this tab's to change; it is then, until the tab is closed. */
async function isMine(id: number): Promise<boolean> {
  if (!mine.has(id) && (await ownPlaneRun(id))) mine.add(id);
  return mine.has(id);
}

export const planeJobs: Handlers<PlaneJobs> = {
  async 'plane/data'(config) {
    return dataPoints(await planeSource(config), 1024);
  },

  async 'plane/train'({ id, config, steps }, { signal, report }) {
    while (training.has(id)) await training.get(id)!.ended;
    const stopper = stoppedBy(signal);
    const work = (async () => {
      if (!(await isMine(id))) throw new RangeError(`This run is ${ELSEWHERE}`);
      const model = models.get(id) ?? (await planeModel(config));
      models.set(id, model);
      return trained(id, model, steps, { signal: stopper.signal, report });
    })();
    const ended = work.then(
      () => training.delete(id),
      () => training.delete(id),
    );
    training.set(id, { stopper, ended });
    return work;
  },

  async 'plane/restore'() {
    const { runs, notices } = await storedPlaneRuns(MAX_RUNS, isMine);
    const elsewhere = new Set(runs.filter((run) => run.elsewhere).map(({ id }) => id));
    for (const { id, model } of runs) {
      if (models.has(id)) disposeState(model.state);
      else models.set(id, model);
    }
    return {
      notices,
      runs: [...models].map(([id, { config, state, losses, lossByT, bounds, evaluation }]) => ({
        id,
        config,
        bounds,
        elsewhere: elsewhere.has(id),
        step: state.step,
        losses: [...losses.subarray(0, state.step)],
        lossByT,
        stepsPerSecond: 0,
        ...(evaluation && { evaluation }),
      })),
    };
  },

  async 'plane/forget'({ ids }) {
    for (const id of ids) {
      const run = training.get(id);
      run?.stopper.abort();
      await run?.ended;
      const model = models.get(id);
      models.delete(id);
      if (model !== undefined) disposeState(model.state);
    }
    await forgetPlaneRuns(ids);
  },

  async 'plane/floor'(config, { signal }) {
    return floorOf(config, signal);
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
  let notStored: string | undefined;
  const progress = (evaluation?: PlaneEvaluation): PlaneProgress => {
    const now = performance.now();
    if (state.step > reportedStep) stepsPerSecond = (1000 * (state.step - reportedStep)) / (now - reportedAt);
    const taken = {
      step: state.step,
      losses,
      lossByT: model.lossByT.slice(),
      stepsPerSecond,
      ...(evaluation && { evaluation }),
      ...(notStored !== undefined && { notStored }),
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
        look(model, evaluation);
        notStored = await storePlaneRun(id, model);
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
  const evaluation = await evaluate(model, config.steps);
  look(model, evaluation);
  notStored = await storePlaneRun(id, model);
  return progress(evaluation);
}

function look(model: PlaneModel, evaluation: PlaneEvaluation): void {
  model.evaluation = evaluation;
  if (model.bounds.at(-1)?.[0] === evaluation.step) model.bounds.pop();
  model.bounds.push([evaluation.step, evaluation.bound.total]);
}

/** Takes a step into the average of the loss in each part of the schedule. */
function observe(lossByT: Float64Array, steps: number, { t, losses }: StepRecord): void {
  t.forEach((time, i) => {
    const bin = Math.floor((lossByT.length * time) / steps);
    const before = lossByT[bin]!;
    lossByT[bin] = Number.isNaN(before) ? losses[i]! : before + 0.02 * (losses[i]! - before);
  });
}

function known(id: number): PlaneModel {
  const model = models.get(id);
  if (model === undefined) throw new RangeError('This run is no longer in memory: train it again.');
  return model;
}
