import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '@diffusion-ts/datasets';
import type { RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { disposeParams } from '@diffusion-ts/tensor';
import { Command } from 'commander';
import { type Backend, startBackend } from '../backend.js';
import { put } from '../config/set.js';
import { isDiffusers } from '../diffusers.js';
import { Refusal, sentence } from '../errors.js';
import { evenly } from '../evenly.js';
import { interruptible } from '../interrupt.js';
import { duration, type Progress, progress } from '../progress.js';
import { onAll, withRanks } from '../ranks.js';
import { type Evaluation, writeEvaluation } from '../run/evaluation.js';
import {
  classDifference,
  difference,
  type Fingerprint,
  fingerprintOf,
  readFingerprint,
} from '../run/fingerprint.js';
import { type Classified, evaluateClassifier } from '../runs/evaluate-classifier.js';
import { type EvaluateOptions, evaluateAlong, evaluateRun, stepsToSum } from '../runs/evaluate-run.js';
import { type OdeBits, odeBits, odePartOf } from '../runs/ode-bits.js';
import { openData } from '../runs/open-data.js';
import { openModel } from '../runs/open-model.js';
import { partOf } from '../runs/parts.js';
import { type Workers, workersToShare } from '../workers.js';
import { backendOption, wholeNumber, workersOption } from './options.js';

interface EvaluateCommandOptions {
  data?: string;
  limit: number;
  timesteps: number;
  seed: number;
  repeats: number;
  unconditional?: boolean;
  ode?: boolean;
  json?: boolean;
  backend: Backend;
  workers: Workers;
}

export const evaluateCommand: Command = new Command('evaluate')
  .description(
    'Estimate how many bits per dimension a model needs for data it has not seen: its variational bound.',
  )
  .argument('<run>', 'the folder of a run, or of diffusers with --data')
  .option('--data <path>', 'a folder of other data of the same kind (default: the test data of the run)')
  .option('--limit <n>', 'evaluate the first n examples', wholeNumber(1), 256)
  .option(
    '--timesteps <n>',
    'terms of the bound per example; as many as the schedule has steps make the whole sum, each term by one draw of x_t',
    wholeNumber(2),
    32,
  )
  .option('--seed <n>', 'of the noise, and of which terms are evaluated', wholeNumber(0), 0)
  .option(
    '--repeats <n>',
    'do it so often with other noise, and tell the error of the mean',
    wholeNumber(1),
    1,
  )
  .option(
    '--unconditional',
    'bound p(x), telling the network of no class and no image (default: p(x | class, image), if it is told any)',
  )
  .option(
    '--ode',
    'instead of the bound the likelihood itself by the probability flow: slow, also where time is continuous',
  )
  .option('--json', 'print everything as JSON')
  .addOption(backendOption())
  .addOption(workersOption())
  .addHelpText(
    'after',
    `
The bound of Ho et al. 2020, eq. 5, is L_T + Σ L_{t−1} + L_0. A sum over all of a thousand steps takes a thousand
evaluations of the network per example; here each example is evaluated at some timesteps of its own, drawn with known
probabilities and weighted with their inverse, which has the same expectation. The standard error tells what that costs.
Beside it stand the rate L_T + Σ L_{t−1} and the distortion L_0, the error of x_0 and of ε by t, what a network that learned
its variance would cost with a fixed one, and what the data cost under the simplest model of them. --json adds
boundBits and nullBits: the lower bounds of log₂ p of a whole example, as in table 1 of Sohl-Dickstein et al. 2015.

A classifier bounds nothing: of it this says how many classes it finds, and its cross-entropy, by how much noise there is.

--ode follows the probability flow of each example to noise (Song et al. 2021, eq. 39), with uniform dequantisation of
images and one draw of Hutchinson's estimate of the divergence, exactly for points: odeBits, odeBitsStandardError in --json.`,
  )
  .action(evaluateAction);

async function evaluateAction(
  folder: string,
  options: EvaluateCommandOptions,
  command: Command,
): Promise<void> {
  const given = (['timesteps', 'repeats'] as const).find(
    (name) => command.getOptionValueSource(name) === 'cli',
  );
  const refuseGiven = (because: string): void => {
    if (given !== undefined) throw new Refusal(`--${given} is of the bound, ${because}.`, { exitCode: 2 });
  };
  if (options.ode) refuseGiven('and --ode takes the likelihood by the flow');
  const backend = await startBackend(options.backend);
  const begin = performance.now();
  const opened = await openEvaluation(folder, options);
  const { built, dataset, params, step, data, limit: images } = opened;
  const interrupt = interruptible(() => {});
  let bar: Progress | undefined;
  try {
    if (built.classifier !== undefined) refuseGiven('and a classifier bounds nothing');
    const known = isDiffusers(folder) ? undefined : readFingerprint(folder);
    if (built.network.classes !== undefined) checkClasses(known, dataset);
    const isTraining = known && difference(known, await fingerprintOf(dataset)) === undefined;
    const split = data.kind === 'images' && (isTraining ?? options.data === undefined) ? 'training' : 'test';
    const shown = progress('evaluate', 0, images);
    bar = shown;
    const watched = {
      ...opened,
      signal: interrupt.signal,
      onImages: (done: number) => shown.update(Math.floor(done), ''),
    };
    const workers = workersToShare(options.workers, backend, partsOf(opened, options));
    const onRanks = <T>(evaluate: (options: EvaluateOptions) => Promise<T>): Promise<T> =>
      withRanks(workers, backend, () => onAll('evaluate', { folder, options }, () => evaluate(watched)));
    if (options.ode) {
      const likelihood = { step, split, ...(await onRanks(odeBits)) };
      bar.stop();
      console.log(options.json ? JSON.stringify(likelihood, null, 2) : said(likelihood));
      return;
    }
    if (built.classifier !== undefined) {
      const found = { step, split, images, levels: await onRanks(evaluateClassifier) };
      bar.stop();
      console.log(options.json ? JSON.stringify(found, null, 2) : classTable(found));
      return;
    }
    const estimate = await onRanks(evaluateRun);
    bar.stop();
    const steps = stepsToSum(built.forward);
    const timesteps = Math.min(options.timesteps, steps);
    const evaluation: Evaluation = { step, split, timesteps, ...estimate };
    const seconds = (performance.now() - begin) / 1000;
    if (options.json) console.log(JSON.stringify(evaluation, null, 2));
    else console.log(table(evaluation, steps, seconds));
    // A folder of diffusers is read, not written to.
    if (!isDiffusers(folder)) await keep(folder, evaluation);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = interrupt.exitCode();
  } finally {
    bar?.stop();
    interrupt.release();
    disposeParams(params);
  }
}

/** What a command line asks to be evaluated, and what it has said of that. */
export type EvaluationAsked = Pick<
  EvaluateCommandOptions,
  'data' | 'limit' | 'timesteps' | 'seed' | 'repeats' | 'unconditional' | 'ode'
>;

/** The model, the data, and what is evaluated of them. */
async function openEvaluation(
  folder: string,
  { data: path, limit, timesteps, seed, repeats, unconditional = false }: EvaluationAsked,
): Promise<EvaluateOptions & { readonly step: number; readonly data: RunConfig['data'] }> {
  const { config, built, params, step = 0 } = await openModel(folder);
  try {
    const data =
      path === undefined ? config.data : parseConfig(put(config, ['data', 'path'], path), '--data').data;
    const dataset = await openData(data, 'test');
    const size = Math.min(limit, dataset.size);
    return {
      config,
      built,
      params,
      step,
      data,
      dataset,
      limit: size,
      timesteps,
      seed,
      repeats,
      unconditional,
    };
  } catch (error) {
    disposeParams(params);
    throw error;
  }
}

/** How many parts of the work are independent of each other: examples of the bound; whole parts where they share something. */
function partsOf({ built, limit }: EvaluateOptions, { ode }: EvaluationAsked): number {
  const { network, classifier } = built;
  if (ode) return Math.ceil(limit / odePartOf(network));
  // Of points each worker would have too little to do.
  return classifier === undefined && network.isImage ? limit : Math.ceil(limit / partOf(network));
}

/** What the other ranks do meanwhile. */
export async function evaluateOnRank(folder: string, asked: EvaluationAsked): Promise<void> {
  const opened = await openEvaluation(folder, asked);
  try {
    if (asked.ode) await odeBits(opened);
    else if (opened.built.classifier !== undefined) await evaluateClassifier(opened);
    else await evaluateAlong(opened);
  } finally {
    disposeParams(opened.params);
  }
}

/** That label k means to the data what it means to the model, whose classes have no names but in its run. */
function checkClasses(known: Fingerprint | undefined, { classes = [] }: Dataset): void {
  const problem = known?.classes && classDifference(known.classes, classes);
  if (!problem) return;
  throw new Refusal(`The classes of the data are not those that the model learned: ${problem}.`, {
    exitCode: 2,
  });
}

/** Writes an evaluation into its run, with its plot; where that cannot be written it has at least been shown. */
async function keep(run: string, evaluation: Evaluation): Promise<void> {
  const { boundByTime } = await import('../pictures/charts.js');
  const { writeReport } = await import('../report/report.js');
  const plot = join(run, 'bound.svg');
  try {
    writeEvaluation(run, evaluation);
    writeFileSync(plot, boundByTime(evaluation.terms));
    writeReport(run);
    console.error(`L_{t-1} over t: ${plot}`);
  } catch (error) {
    console.error(`This is not kept in the run: ${sentence(error)}.`);
  }
}

function classTable({
  images,
  split,
  levels,
}: {
  images: number;
  split: string;
  levels: readonly Classified[];
}): string {
  return [
    `The classes of ${images} ${split} examples, by how much noise they have: how many are found, and −log₂ p(y | x_t) in bits:`,
    '  t             log SNR  accuracy     bits',
    ...levels.map(({ t, logSnr, accuracy, bits }) =>
      [
        `  ${Number(t.toPrecision(4)).toString().padEnd(10)}`,
        logSnr.toFixed(2).padStart(9),
        `${(100 * accuracy).toFixed(1)} %`.padStart(9),
        bits.toFixed(3).padStart(8),
      ].join(' '),
    ),
  ].join('\n');
}

function said({
  density,
  images,
  split,
  odeBits,
  odeBitsStandardError,
}: OdeBits & { split: string }): string {
  const error = odeBitsStandardError === undefined ? '' : ` ± ${odeBitsStandardError.toFixed(4)}`;
  return `-log₂ ${density} of ${images} ${split} examples by the probability flow, in bits per dimension: ${odeBits.toFixed(4)}${error}`;
}

const ROWS = 6;

function table(evaluation: Evaluation, steps: number, seconds: number): string {
  const { images, split, timesteps, prior, transitions, reconstruction, bitsPerDim, standardError } =
    evaluation;
  const row = (name: string, value: number): string => `  ${name.padEnd(34)}${value.toFixed(4).padStart(9)}`;
  const { standardErrorOverRepeats, fixedVariances = [], terms } = evaluation;
  const errors = evenly(
    terms.filter(({ x0Error }) => x0Error !== undefined),
    ROWS,
  );
  return [
    `The variational bound on −log₂ ${evaluation.bounds} of ${images} ${split} examples, in bits per dimension:`,
    row('L_T       prior', prior),
    row(`L_{t-1}   ${steps - 1} transitions`, transitions),
    row('L_0       reconstruction', reconstruction),
    `${row('sum', bitsPerDim)} ± ${standardError.toFixed(4)}`,
    ...(standardErrorOverRepeats === undefined
      ? []
      : [`  the mean of repeats, ± ${standardErrorOverRepeats.toFixed(4)} over them`]),
    row('rate      L_T + Σ L_{t-1}', prior + transitions),
    row('distortion L_0', reconstruction),
    ...fixedVariances.map(({ name, bitsPerDim }) => row(`sum with ${name}, not learned`, bitsPerDim)),
    row('the simplest model of these data', evaluation.nullBitsPerDim ?? Number.NaN),
    ...(evaluation.throughLatents === undefined
      ? []
      : [
          '  of the images, through the latents:',
          row('-log₂ p(x | z)', evaluation.throughLatents.distortion),
          row('log₂ q(z | x)', evaluation.throughLatents.encoding),
          row('-log₂ p(z), at most', evaluation.throughLatents.latents),
          row('sum', evaluation.throughLatents.bitsPerDim),
        ]),
    ...(errors.length === 0 ? [] : ['  t          error of x_0   of ε']),
    ...errors.map(
      ({ t, x0Error, epsilonError }) =>
        `  ${String(t).padEnd(10)} ${x0Error!.toFixed(4).padStart(12)}${epsilonError!.toFixed(4).padStart(9)}`,
    ),
    timesteps < steps
      ? `Each example was evaluated at ${timesteps} of ${steps} timesteps (an estimate without bias; ± is its standard error) in ${duration(seconds)}.`
      : `Each example was evaluated at every timestep, in ${duration(seconds)}; ± is the standard error.`,
  ].join('\n');
}
