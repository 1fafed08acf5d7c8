import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Dataset } from '@diffusion-ts/datasets';
import {
  build,
  checkPlan,
  fitModel,
  learningRateOf,
  PRESETS,
  planWarnings,
  type RunConfig,
  type TrainingConfig,
} from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Backend, startBackend } from '../backend.js';
import { type Json, readJson } from '../config/read.js';
import { put, setPath } from '../config/set.js';
import { Refusal } from '../errors.js';
import { interruptible } from '../interrupt.js';
import { withRanks } from '../ranks.js';
import { difference, type Fingerprint, fingerprintOf, readFingerprint } from '../run/fingerprint.js';
import { createRun, findStep, hasConfig, readConfig, writeConfig } from '../run/folder.js';
import { whileLocked } from '../run/lock.js';
import { measured, measuredProcess, openTrainingData } from '../runs/open-data.js';
import { checkCount } from '../runs/sample-run.js';
import { trainRun } from '../runs/train-run.js';
import { type Workers, workersToTrain } from '../workers.js';
import { backendOption, collect, numberAbove, wholeNumber, workersOption } from './options.js';

interface TrainOptions {
  config?: string;
  preset?: keyof typeof PRESETS;
  data?: string;
  reflow?: string;
  set: string[];
  steps?: number;
  batch?: number;
  lr?: number;
  seed?: number;
  backend: Backend;
  workers: Workers;
  patience: number;
  out?: string;
  resume?: 'latest' | number;
  acceptData?: boolean;
}

// How the reader has called this: by the script of the repository, or by its own name.
const CALL = process.env.npm_lifecycle_event === 'diffusion' ? 'npm run diffusion --' : 'diffusion';

export const trainCommand: Command = new Command('train')
  .description('Train a model, or go on training one.')
  .option('--config <file>', 'a JSON file with the settings; what it leaves out has a default')
  .addOption(new Option('--preset <name>', 'settings to start from').choices(Object.keys(PRESETS)))
  .option('--data <path>', 'the folder of the data (images, or IDX files); with --resume, where they are now')
  .option(
    '--reflow <run>',
    'learn from pairs of noise and the sample that this run makes of it, so that the way between them becomes straight',
  )
  .option('--set <key=value>', 'changes one setting, as in training.steps=2000; may be repeated', collect, [])
  .option('--steps <n>', 'short for --set training.steps=n', wholeNumber(1))
  .option('--batch <n>', 'short for --set training.batch=n', wholeNumber(1))
  .option('--lr <rate>', 'short for --set training.learningRate=rate', numberAbove(0))
  .option('--seed <n>', 'short for --set training.seed=n', wholeNumber(0))
  .addOption(backendOption())
  .addOption(workersOption())
  .option(
    '--patience <seconds>',
    'under mpirun: how long to wait for a machine that does not answer, before what there is is saved',
    numberAbove(0),
    300,
  )
  .option('--out <dir>', 'the folder of the run; by default runs/ and the name of the preset or config')
  .option(
    '--resume [step]',
    'go on with the run in that folder, from its newest checkpoint or from this step',
    resumeStep,
  )
  .option('--accept-data', 'with --resume: go on although the data are others than those it began with')
  .addHelpText(
    'after',
    `
A run is a function of its config and its seed: one that is interrupted (Ctrl-C saves a checkpoint) and resumed ends
with the same bytes as one that was not, by as many workers; another number of them adds up in another order, which
changes the last digits. Its folder has config.json with every setting, checkpoints, metrics.jsonl,
TensorBoard events, samples and report.html.

Examples:
  $ diffusion train --preset mnist
  $ diffusion train --preset images --data photos
  $ diffusion train --preset images-64 --data photos --set data.width=96
  $ diffusion train --preset mnist-flow --reflow runs/mnist-flow --out runs/mnist-reflow
  $ diffusion train --preset mnist --steps 5000 --resume`,
  )
  .action(trainAction);

function resumeStep(text: string): 'latest' | number {
  if (text === 'latest') return text;
  try {
    return wholeNumber(0)(text);
  } catch {
    throw new InvalidArgumentError('Expected latest or the step of a checkpoint.');
  }
}

async function trainAction(options: TrainOptions): Promise<void> {
  const run = runFolder(options);
  const resume = (options.resume as unknown) === true ? 'latest' : options.resume;
  const saved = resume !== undefined && hasConfig(run) ? readConfig(run) : undefined;
  const asked = settingsOf(options, saved);
  // Wasm and tensorflow need no tensors to read data with, but points are drawn with them.
  const backend = await startBackend(options.backend);
  const settings = { ...asked, data: await measured(asked.data) };
  const dataset = await openTrainingData(settings);
  const data = await fingerprintOf(dataset);
  const known = saved && readFingerprint(run);
  if (known !== undefined && options.acceptData !== true) checkSameData(run, known, data);
  const config = {
    ...settings,
    process: await measuredProcess(settings.process, dataset),
    model: fitModel(settings, dataset),
  };
  const built = checkPlan(config);
  checkCount(built.network, config.sampling.count, 'sampling.count');
  const workers = workersToTrain(options.workers, backend, config.training.batch, built.network.isImage);
  for (const warning of planWarnings(config, built)) console.error(warning);

  await whileLocked(run, async () => {
    let from: number | undefined;
    if (saved === undefined) {
      createRun(run, config, data);
    } else {
      from = findStep(run, resume ?? 'latest');
      checkSameRun(run, saved, config);
      writeConfig(run, config, data);
    }
    console.error(
      `${from === undefined ? 'Training' : `Resuming at step ${from}`} in ${run} on ${backend}${workers > 1 ? `, ${workers} workers` : ''}; Ctrl-C saves a checkpoint and stops.`,
    );
    if (saved !== undefined && known === undefined) {
      console.error(`What its data are was not written down: from now on they are these (${summary(data)}).`);
    }
    if (saved !== undefined && from) sayRise(saved.training, config.training, from);
    // Pairs that rank 0 has drawn to measure them would not be drawn again with the others.
    const learned = settings.training.coupling === 'reflow' ? await openTrainingData(config) : dataset;
    await withRanks(workers, backend, () => trainToEnd(run, config, learned, from), options.patience);
  });
}

/** More steps stretch the decay of the rate, so that it is higher where it had come down: right or not, it is said. */
function sayRise(before: TrainingConfig, now: TrainingConfig, step: number): void {
  if (now.decay === 'constant' || now.steps === before.steps) return;
  const [had, has] = [before, now].map((training) => learningRateOf(training)(step)) as [number, number];
  if (has < 1.01 * had) return;
  const [low, high] = [had, has].map((rate) => Number(rate.toPrecision(2)));
  console.error(
    `The learning rate rises from ${low} to ${high} again, since its ${now.decay} decay now ends at step ${now.steps}; --set training.decay=constant --lr ${low || 'R'} would go on at a rate that stays.`,
  );
}

async function trainToEnd(
  run: string,
  config: RunConfig,
  dataset: Dataset,
  from: number | undefined,
): Promise<void> {
  const interrupt = interruptible(() =>
    console.error('\nStopping and saving a checkpoint; Ctrl-C again stops at once.'),
  );
  try {
    const step = await trainRun({ run, config, dataset, from, signal: interrupt.signal });
    if (step < config.training.steps) {
      const { writeReport } = await import('../report/report.js');
      writeReport(run);
      console.error(`Saved step ${step}. Go on with: ${CALL} train --out ${run} --resume`);
    } else {
      const { finishRun } = await import('../runs/finish-run.js');
      await finishRun(run, interrupt.signal);
      const [next, command] =
        build(config).classifier === undefined ? ['draw more', 'sample'] : ['measure it', 'evaluate'];
      console.error(`Done. Look at ${run}/report.html, or ${next} with: ${CALL} ${command} ${run}`);
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    console.error(`The training is done and saved in ${run}; its last pictures are not drawn.`);
  } finally {
    interrupt.release();
  }
  process.exitCode = interrupt.exitCode();
}

function runFolder({ out, config, preset }: TrainOptions): string {
  if (config !== undefined && preset !== undefined) {
    throw new Refusal('--config and --preset cannot both be given: change a preset with --set.', {
      exitCode: 2,
    });
  }
  const name = preset ?? config?.replace(/^.*[\\/]/, '').replace(/\.json$/, '');
  const folder = out ?? (name && `runs/${name}`);
  if (folder) return folder;
  throw new Refusal('Nothing to train: give --preset, --config, or --out with --resume.', { exitCode: 2 });
}

/** The settings that were asked for: file, run that goes on, or preset, and what the command line changes in it. */
function settingsOf(options: TrainOptions, saved: RunConfig | undefined): RunConfig {
  const { config, preset, data, set } = options;
  const begun = saved ?? (preset === undefined ? undefined : parseConfig(PRESETS[preset], preset));
  let settings: Json | undefined = config === undefined ? begun : readJson(config);
  if (settings === undefined) {
    throw new Refusal(
      `There is no run at ${options.out} to resume: give --preset or --config to start one.`,
      { exitCode: 2 },
    );
  }
  if (data !== undefined) settings = put(settings, ['data', 'path'], data);
  if (options.reflow !== undefined) {
    settings = put(settings, ['training', 'coupling'], 'reflow');
    settings = put(settings, ['training', 'pairsOf'], options.reflow);
  }
  const short = { steps: options.steps, batch: options.batch, learningRate: options.lr, seed: options.seed };
  for (const [key, value] of Object.entries(short)) {
    if (value !== undefined) settings = put(settings, ['training', key], value);
  }
  for (const assignment of set) settings = setPath(settings, assignment);
  return located(parseConfig(settings, config ?? 'The config'));
}

/** The same settings, whose data are found from any working folder. */
function located(config: RunConfig): RunConfig {
  const { data, training } = config;
  return {
    ...config,
    ...('path' in data && data.path !== null && { data: { ...data, path: resolve(data.path) } }),
    ...(training.pairsOf !== null && { training: { ...training, pairsOf: resolve(training.pairsOf) } }),
  };
}

/** The data of a run are what its data.json says, wherever they lie. */
function checkSameData(run: string, before: Fingerprint, now: Fingerprint): void {
  const problem = difference(before, now);
  if (problem === undefined) return;
  throw new Refusal(
    `The run in ${run} was begun with other data: ${problem}. Say where those are with --data PATH, start anew with another --out, or insist with --accept-data.`,
    { exitCode: 2 },
  );
}

function summary({ size, shape, classes }: Fingerprint): string {
  const ofClasses = classes === null ? '' : ` in ${classes.length} classes`;
  return `${size.toLocaleString('en')} examples of ${shape.join('×')}${ofClasses}`;
}

/** Training may go on otherwise than it began, but the model, its process, its data and its randomness are the run. */
function checkSameRun(run: string, saved: RunConfig, config: RunConfig): void {
  // A run that was converted has had no data yet: the first that fit its model are its own.
  const hadData = !('path' in saved.data) || saved.data.path !== null;
  const fixed = ({ data, model, process, training: { seed, ema } }: RunConfig) => ({
    data: hadData && { ...data, path: undefined },
    model,
    process,
    seed,
    ema: ema.kind,
  });
  const before = fixed(saved);
  for (const [key, value] of Object.entries(fixed(config))) {
    if (!isDeepStrictEqual(value, before[key as keyof typeof before])) {
      throw new Refusal(
        `The run in ${run} was begun with another ${key}: go on with what it has (leave the option out), or start anew with another --out.`,
        { exitCode: 2 },
      );
    }
  }
}
