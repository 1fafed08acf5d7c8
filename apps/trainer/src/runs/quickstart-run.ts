import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Built, fitModel, type Preset, type RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { disposeParams, type Params, rng } from '@diffusion-ts/tensor';
import type { ActiveBackend } from '../backend.js';
import { writeAnimation, writePicture } from '../pictures/picture.js';
import { duration, progress } from '../progress.js';
import { onAll, withRanks } from '../ranks.js';
import { writeEvaluation } from '../run/evaluation.js';
import { type Fingerprint, fingerprintOf } from '../run/fingerprint.js';
import { createRun, findStep, hasConfig, readConfig } from '../run/folder.js';
import { LOCK, whileLocked } from '../run/lock.js';
import { sharedParams } from '../shared.js';
import { type Workers, workersToTrain } from '../workers.js';
import type { Drawn } from './draw.js';
import { evaluateRun } from './evaluate-run.js';
import { finishRun } from './finish-run.js';
import { openData } from './open-data.js';
import { openModel } from './open-model.js';
import { columnsOf, type SampleRunOptions, sampleRun } from './sample-run.js';
import { type TrainRunOptions, trainRun } from './train-run.js';

export interface QuickstartOptions {
  /** The folder of the run. */
  readonly run: string;
  readonly preset: Preset;
  /** The backend that is active. */
  readonly backend: ActiveBackend;
  readonly workers: Workers;
  /** Training ends after so long, however far it has come. */
  readonly seconds: number;
  readonly samples: number;
  readonly testImages: number;
  /** Terms of the bound that are evaluated for each of them. */
  readonly timesteps: number;
  readonly signal: AbortSignal;
}

/**
 * Trains a preset, draws from it and evaluates it, by as many workers; prints the bits per dimension and the paths of the
 * pictures. A run that was interrupted goes on; a finished one is replaced.
 */
export function quickstart(options: QuickstartOptions): Promise<void> {
  return whileLocked(options.run, () => trainAndShow(options));
}

async function trainAndShow(options: QuickstartOptions): Promise<void> {
  const { run, seconds, signal, backend } = options;
  const begun = parseConfig({ ...options.preset }, 'The preset');
  const dataset = await openData(begun.data, 'train');
  const config = { ...begun, model: fitModel(begun, dataset) };
  const from = begin(run, config, await fingerprintOf(dataset));
  const workers = workersToTrain(options.workers, backend, config.training.batch);
  console.error(
    `Training${workers > 1 ? ` by ${workers} workers` : ''} for at most ${duration(seconds)}; Ctrl-C stops, and the next quickstart goes on from there.`,
  );
  await withRanks(workers, backend, async () => {
    const step = await trainFor(seconds, { run, config, dataset, from, signal });
    signal.throwIfAborted();
    if (step < config.training.steps) {
      console.error(
        `Time is up after ${step} of ${config.training.steps} steps: the samples will be rougher.`,
      );
    }
    const samples = await drawAndEvaluate(options, config, step);
    const report = await finishRun(run, signal);
    for (const line of [...samples, report]) console.log(line);
  });
}

/** The step to go on from; undefined for a new run, in the place of an earlier one. */
function begin(run: string, config: RunConfig, data: Fingerprint): number | undefined {
  const step = interruptedAt(run, config);
  if (step !== undefined) {
    console.error(`Going on at step ${step} with the quickstart that was interrupted.`);
    return step;
  }
  const earlier = readdirSync(run).filter((name) => name !== LOCK);
  if (earlier.length > 0) {
    console.error(`Replacing the earlier quickstart in ${run}.`);
    for (const name of earlier) rmSync(join(run, name), { recursive: true });
  }
  createRun(run, config, data);
  return undefined;
}

/** The step of an earlier quickstart with the same settings that did not come to its end. */
function interruptedAt(run: string, config: RunConfig): number | undefined {
  try {
    if (!hasConfig(run) || !isDeepStrictEqual(readConfig(run), config)) return undefined;
  } catch {
    return undefined;
  }
  const step = findStep(run, 'latest');
  return step !== undefined && step < config.training.steps ? step : undefined;
}

async function trainFor(seconds: number, options: TrainRunOptions): Promise<number> {
  // AbortSignal.timeout does not do: nothing holds it, and Node may collect it before its time.
  const budget = new AbortController();
  const timer = setTimeout(() => budget.abort(), seconds * 1000);
  try {
    return await trainRun({ ...options, signal: AbortSignal.any([options.signal, budget.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

/** Samples, with every step of the way to them; all ranks draw them together. */
export function animated(
  built: Built,
  params: Params,
  { sampling }: RunConfig,
  watched: Pick<SampleRunOptions, 'signal' | 'onStep'> = {},
): Promise<Drawn> {
  return sampleRun({ built, params, settings: sampling, rng: rng(0), keep: () => true, ...watched });
}

/** A sheet, the reverse process as an animation, and the bound on test data. Returns what there is to say of them. */
async function drawAndEvaluate(
  { run, samples: count, testImages, timesteps, signal }: QuickstartOptions,
  config: RunConfig,
  step: number,
): Promise<string[]> {
  const { built, params } = await openModel(run);
  try {
    const drawing = progress('sample', 0, count);
    const drawn = { ...config, sampling: { ...config.sampling, count } };
    const { samples, frames } = await onAll('animate', { config: drawn }, async () =>
      animated(built, await sharedParams(params), drawn, {
        signal,
        onStep: (done) => drawing.update(Math.floor(done * count), ''),
      }),
    );
    drawing.stop();
    const columns = columnsOf(built.network, count);
    const sheet = join(run, 'samples.png');
    const animation = join(run, 'reverse.gif');
    await writePicture(sheet, samples, { data: config.data, shape: built.network.shape }, columns);
    await writeAnimation(animation, frames, { data: config.data, shape: built.network.shape }, columns);

    const evaluating = progress('evaluate', 0, testImages);
    const asked = { limit: testImages, timesteps, seed: 0, repeats: 1 };
    const dataset = await openData(config.data, 'test');
    const evaluation = await onAll('evaluate', { folder: run, options: asked }, () =>
      evaluateRun({
        ...{ config, built, params, dataset, ...asked, signal },
        onImages: (done) => evaluating.update(Math.floor(done), ''),
      }),
    );
    evaluating.stop();
    writeEvaluation(run, { step, split: 'test', timesteps, ...evaluation });
    const { bitsPerDim, standardError, images } = evaluation;
    return [
      `${bitsPerDim.toFixed(3)} ± ${standardError.toFixed(3)} bits per dimension on ${images} test images (an upper bound)`,
      sheet,
      animation,
    ];
  } finally {
    disposeParams(params);
  }
}
