import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { batches, DataError, type Dataset } from '@diffusion-ts/datasets';
import { RankError } from '@diffusion-ts/parallel';
import { type Built, build, classesOf, type RunConfig } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import {
  disposeState,
  initialState,
  NonFiniteError,
  type StepRecord,
  type TrainState,
  train,
} from '@diffusion-ts/training';
import { isDead, isOutOfMemory, Refusal, sentence } from '../errors.js';
import { interruptible } from '../interrupt.js';
import { launched } from '../launched.js';
import { png } from '../pictures/raster.js';
import { progress, significant } from '../progress.js';
import { onAll, ranks } from '../ranks.js';
import { checkpointFiles, readCheckpoint } from '../run/checkpoint-files.js';
import {
  checkpointFolder,
  checkpointSteps,
  cleanCheckpoints,
  keepNewest,
  removeCheckpoint,
  writeCheckpoint,
} from '../run/checkpoints.js';
import { readEvaluation, removeEvaluation } from '../run/evaluation.js';
import { type Fingerprint, fingerprintOf } from '../run/fingerprint.js';
import { addStep, emptyInterval, type Interval, metricsOf, readInterval } from '../run/interval.js';
import { appendMetrics, truncateMetrics } from '../run/metrics.js';
import { replaceFile } from '../run/replace-file.js';
import { sampleSheets, sheetFile } from '../run/sheets.js';
import { type EventWriter, eventWriter } from '../run/tensorboard.js';
import { FailedTogether, sharedState } from '../shared.js';
import { openTrainingData } from './open-data.js';
import { watchingSheet } from './watching-sheet.js';

export interface TrainRunOptions {
  /** The folder of the run, which has its config.json. */
  readonly run: string;
  /** Complete, as in that file. */
  readonly config: RunConfig;
  /** What it learns from. */
  readonly dataset: Dataset;
  /** The step of the checkpoint to go on from; undefined starts at the beginning. */
  readonly from: number | undefined;
  /** Ends training after the step under way, with a checkpoint. */
  readonly signal: AbortSignal;
}

interface Training extends TrainRunOptions, Built {
  readonly state: TrainState;
  /** What the next line of metrics.jsonl is made of. */
  readonly interval: Interval;
  readonly events: EventWriter;
}

/**
 * Trains a run to its last step or until the signal, on all ranks, and returns the step that it stands at, which has a
 * checkpoint.
 */
export async function trainRun(options: TrainRunOptions): Promise<number> {
  const { run, config, dataset } = options;
  checkRange(dataset, config);
  const built = build(config);
  const { state, interval } = await startingPoint(options, built);
  try {
    rewind(run, state.step, config.training.keep);
    // Threads see the same files.
    const data = launched().size > 1 ? await fingerprintOf(dataset) : null;
    await onAll('train', { config, data }, async () => {
      await sharedState(state);
      await advance({ ...options, ...built, state, interval, events: eventWriter(run, state.step + 1) });
    });
    return state.step;
  } catch (error) {
    throw explained(error, options);
  } finally {
    disposeState(state);
  }
}

/**
 * What the other ranks do meanwhile: the same steps on their own rows of each batch, and their share of the sheets.
 * @throws Refusal if the data are other `data` on this machine than on the first.
 */
export async function trainAlong(config: RunConfig, data: Fingerprint | null): Promise<void> {
  const built = build(config);
  // Of a process of its own, which Ctrl-C reaches too: all ranks end after the same step.
  const interrupt = interruptible(() => {});
  const state = await sharedState(undefined);
  const dataset = await openTrainingData(config);
  if (data !== null && !isDeepStrictEqual(data, await fingerprintOf(dataset))) {
    throw new Refusal(
      `The data on ${hostname()} are not those of the first process: expected the same at the same place`,
    );
  }
  const { signal } = interrupt;
  const { records, dispose } = stepsOf({ ...built, config, dataset, state, signal });
  try {
    for await (const { step } of records) {
      if (!isWatched(config, step) || built.classifier !== undefined) continue;
      await watchingSheet(built, state.ema ?? state.params, config).catch(passedOver);
    }
  } finally {
    dispose();
    disposeState(state);
    interrupt.release();
  }
}

/** What has failed on all ranks is for the first to tell. */
function passedOver(error: unknown): void {
  if (!(error instanceof FailedTogether)) throw error;
}

/** The state to go on from, and what the checkpoint knows of the interval under way. */
async function startingPoint(
  { run, config, from }: TrainRunOptions,
  { network }: Built,
): Promise<Pick<Training, 'state' | 'interval'>> {
  if (from === undefined) {
    const init = rng(config.training.seed).fork('init');
    return { state: initialState(network.init(init)), interval: emptyInterval() };
  }
  const folder = checkpointFolder(run, from);
  const { state, rest } = await readCheckpoint(folder, network);
  return { state, interval: readInterval(rest.interval) };
}

/** Removes what comes after a step: checkpoints, metrics, pictures, and what a kill or a full disk left behind. */
function rewind(run: string, step: number, keep: number): void {
  cleanCheckpoints(run);
  for (const later of checkpointSteps(run)) if (later > step) removeCheckpoint(run, later);
  keepNewest(run, keep);
  truncateMetrics(join(run, 'metrics.jsonl'), step);
  for (const sheet of sampleSheets(run)) if (sheet.step > step) rmSync(sheet.file);
  if ((readEvaluation(run)?.step ?? 0) > step) removeEvaluation(run);
}

function explained(error: unknown, { run, config: { training } }: TrainRunOptions): unknown {
  const last = checkpointSteps(run).at(-1);
  const kept =
    last === undefined ? 'There is no checkpoint yet.' : `The last good checkpoint is that of step ${last}.`;
  if (error instanceof NonFiniteError) {
    return new Refusal(`${upperFirst(error.message)}. ${kept} Try a lower learning rate (--lr).`, {
      cause: error,
    });
  }
  if (error instanceof DataError) {
    return new Refusal(
      `${error.message}. Step ${last} is saved: mend that or take it away, and go on with --resume (and --accept-data, since the data are others then).`,
      { cause: error },
    );
  }
  if (isOutOfMemory(error) || isDead(error)) {
    const advice =
      Math.min(training.batch, training.microBatch ?? training.batch) > 1
        ? 'take fewer examples at a time (--batch, or --set training.microBatch=n)'
        : 'one example is too much, so take a smaller network or smaller pictures';
    return new Refusal(`There is not enough memory for a step of training: ${advice}. ${kept}`, {
      cause: error,
    });
  }
  if (error instanceof RankError) {
    return new Refusal(
      `${upperFirst(error.message)}. ${kept}${last === undefined ? '' : ' Go on with --resume.'}`,
      { cause: error },
    );
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    return new Refusal(`The run cannot be written to ${run}: ${sentence(error)}. ${kept}`, { cause: error });
  }
  return error;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Images must fill [−1, 1], or networks learn from data that samplers will clip; points must be of that size. */
function checkRange({ range: [low, high], shape }: Dataset, { data, training }: RunConfig): void {
  if (classesOf(data) !== undefined || data.kind === 'latents' || training.coupling === 'reflow') return;
  const reach = shape.length === 3 ? 1 : 2;
  if (low >= -reach && high <= reach) return;
  throw new Refusal(`The data lie in [${low}, ${high}]: expected [−1, 1].`);
}

/** The steps of a run, each on this rank's rows of the batch. */
function stepsOf({
  config,
  dataset,
  state,
  signal,
  trainSteps,
}: Pick<Training, 'config' | 'dataset' | 'state' | 'signal' | 'trainSteps'>): {
  readonly records: AsyncGenerator<StepRecord, TrainState>;
  dispose(): void;
} {
  const { seed, batch, steps } = config.training;
  const { dispose, ...options } = trainSteps(rng(seed).fork('training'));
  const communicator = ranks();
  const records = train({
    ...options,
    state,
    batches: (start) => batches(dataset, { size: batch, seed, start, share: communicator }),
    steps,
    signal,
    ...(communicator.size > 1 && { communicator }),
  });
  return { records, dispose };
}

/** Whether a sheet is drawn after that step. */
function isWatched({ training: { sampleEvery, steps } }: RunConfig, step: number): boolean {
  return sampleEvery > 0 && (step % sampleEvery === 0 || step === steps);
}

async function advance(training: Training): Promise<void> {
  const { config, state } = training;
  const { steps, logEvery, checkpointEvery } = config.training;
  const { records, dispose } = stepsOf(training);
  const bar = progress('train', state.step, steps, { even: true });
  try {
    let begin = performance.now();
    for await (const record of records) {
      addStep(training.interval, record, (performance.now() - begin) / 1000);
      bar.update(record.step, note(record, training.interval));
      if (record.step % logEvery === 0 || record.step === steps) log(training, record);
      // What matters first: a picture that cannot be drawn costs itself alone.
      if (record.step % checkpointEvery === 0 || record.step === steps) await save(training);
      if (isWatched(config, record.step)) await sample(training);
      begin = performance.now();
    }
  } catch (error) {
    // Data are asked for between two steps: what they refuse leaves the state whole, as Ctrl-C does. So does another rank
    // that fails, since a step is taken once all have done their share of it.
    if (error instanceof DataError || error instanceof RankError) await save(training);
    throw error;
  } finally {
    bar.stop();
    dispose();
  }
  await save(training);
}

function note(record: StepRecord, { images, seconds }: Interval): string {
  return `loss ${significant(record.loss)} · ${significant(images / seconds)} images/s`;
}

function log({ run, events, interval }: Training, record: StepRecord): void {
  const metrics = metricsOf(interval, record);
  Object.assign(interval, emptyInterval());
  appendMetrics(join(run, 'metrics.jsonl'), metrics);
  events.scalar('loss', metrics.step, metrics.loss);
  metrics.quartiles.forEach((loss, quarter) => {
    if (loss !== null) events.scalar(`loss by quarter of t/${quarter + 1}`, metrics.step, loss);
  });
  events.scalar('gradient norm', metrics.step, metrics.gradientNorm);
  events.scalar('learning rate', metrics.step, metrics.rate);
  events.scalar('images per second', metrics.step, metrics.imagesPerSecond);
}

/** A sheet of samples of the moment, where there are any, and the report with it. */
async function sample(training: Training): Promise<void> {
  const { run, config, state, events, signal, classifier } = training;
  try {
    if (classifier === undefined) {
      // Where others draw along, they would wait for what is broken off here.
      const ends = ranks().size === 1 ? signal : undefined;
      const raster = await watchingSheet(training, state.ema ?? state.params, config, ends);
      const image = { png: await png(raster), width: raster.width, height: raster.height };
      replaceFile(sheetFile(run, state.step), image.png);
      events.image('samples', state.step, image);
    }
    // Charts take a while to load: not before they are wanted.
    const { writeReport } = await import('../report/report.js');
    writeReport(run);
  } catch (error) {
    if (isDead(error)) {
      throw new Refusal(
        `The sheet of step ${state.step} took more memory than there is, of which the wasm backend died: go on with --resume --set training.sampleEvery=0.`,
        { cause: error },
      );
    }
    if (!signal.aborted)
      console.error(`\nNo sheet at step ${state.step}: ${sentence(error)}. Training goes on.`);
  }
}

async function save({ run, config, network, state, interval }: Training): Promise<void> {
  if (checkpointSteps(run).includes(state.step)) return;
  writeCheckpoint(run, state.step, await checkpointFiles(state, network, { interval }), config.training.keep);
}
