import { existsSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { type Built, isPoints, type RunConfig, TIMES } from '@diffusion-ts/recipes';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { disposeParams, rng, stackedRng } from '@diffusion-ts/tensor';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Backend, startBackend } from '../backend.js';
import type { Opened } from '../diffusers.js';
import { Refusal, sentence } from '../errors.js';
import { interruptible } from '../interrupt.js';
import { writeEach, writeNumbers } from '../pictures/folder.js';
import { spelled, writeAnimation, writePicture } from '../pictures/picture.js';
import { progress } from '../progress.js';
import { onAll, withRanks } from '../ranks.js';
import { readFingerprint } from '../run/fingerprint.js';
import { ledByClassifier } from '../runs/classifier-lead.js';
import type { Drawn } from '../runs/draw.js';
import { BETWEEN, checkEditing, type Edit, type Editing, openEdit } from '../runs/edit.js';
import { openModel } from '../runs/open-model.js';
import { partOf } from '../runs/parts.js';
import { checkCount, columnsOf, type SampleRunOptions, sampleRun } from '../runs/sample-run.js';
import {
  besideTold,
  checkTelling,
  type ToldImages,
  type ToldRows,
  toldImages,
  toldRows,
} from '../runs/told-images.js';
import { type Workers, workersToShare } from '../workers.js';
import { labelOf } from './class-name.js';
import { backendOption, numberFrom, share, wholeNumber, workersOption } from './options.js';
import { seedList } from './seeds.js';

export interface SampleOptions
  extends Partial<
      Pick<
        RunConfig['sampling'],
        'sampler' | 'steps' | 'times' | 'order' | 'churn' | 'tolerance' | 'guidance' | 'count'
      >
    >,
    Editing {
  eta?: number;
  seed: number;
  seeds?: number[];
  class?: string;
  condition?: string;
  conditionNoise?: number;
  classifier?: string;
  classifierScale?: number;
  batch?: number;
  out: string;
  npz?: true;
  every?: number;
  gif?: string;
  backend: Backend;
  workers: Workers;
}

export const sampleCommand: Command = new Command('sample')
  .description('Draw samples from a run, or from a folder of diffusers.')
  .argument('<run>', 'the folder of a run, or of a UNet2DModel or its pipeline as diffusers writes them')
  .addOption(
    new Option('--sampler <name>', 'the sampler; default: as the config of the run says').choices(
      Object.keys(SAMPLERS),
    ),
  )
  .option('--steps <n>', 'steps of the sampler, at most those of the schedule', wholeNumber(1))
  .addOption(
    new Option('--times <name>', 'how the steps are spread; default: as the run says').choices(
      Object.keys(TIMES),
    ),
  )
  .option(
    '--eta <eta>',
    'noise of DDIM and the ancestral ones: 0 is deterministic, 1 as much as the ancestral sampler',
    numberFrom(0),
  )
  .option('--churn <amount>', 'of heun: the noise to add before the steps, S_churn of EDM', numberFrom(0))
  .option('--order <n>', 'of those that remember: 1 is DDIM, 2, 3 or (of lms) 4 more exact', solverOrder)
  .option(
    '--tolerance <error>',
    'of rk45 and dpm-adaptive, which find their steps: the error that a step may have',
    numberFrom(Number.MIN_VALUE),
  )
  .option('--count <n>', 'how many samples', wholeNumber(1))
  .option('--seed <n>', 'sample i depends on the seed and i alone', wholeNumber(0), 0)
  .addOption(
    new Option('--seeds <list>', 'a sample for each of these seeds, such as 0-63,100')
      .argParser(seedList)
      .conflicts(['seed', 'count']),
  )
  .option('--class <name>', 'the class of all samples, by name or number; by default the classes take turns')
  .option(
    '--guidance <w>',
    'classifier-free guidance: 0 is none, more is clearer and less varied',
    numberFrom(-1),
  )
  .option('--classifier <run>', 'lead samples to their classes by a run of a classifier, too')
  .option('--classifier-scale <s>', 'with it: how much, the power of p(y | x_t); default 1', numberFrom(0))
  .option(
    '--condition <image or run>',
    'of a run that is told images: a picture, or a run whose samples are told; default: test images',
  )
  .option(
    '--condition-noise <sigma>',
    'with it: noise added to what is told, up to what the run learned of; default 0',
    numberFrom(0),
  )
  .option('--init <image>', 'a picture to start from, and not from noise')
  .option('--strength <s>', 'with --init: how far from it a sample may go, up to 1; default 0.6', share)
  .option(
    '--mask <image>',
    'with --init: a picture, white where something new is drawn; the rest of it stays',
  )
  .option('--interpolate <images...>', 'two pictures: as many samples as --count, from the one to the other')
  .option(
    '--guide <run[@step]>',
    'with --guidance: away from what a worse run says, or an earlier step of one',
  )
  .option('--batch <n>', 'samples at a time: a matter of speed and memory alone', wholeNumber(1))
  .option(
    '--out <file.png or folder>',
    'the sheet of samples (points: .svg too), or a folder for a file of each, seed.png',
    'samples.png',
  )
  .option('--npz', 'with a folder: samples.npz too, the numbers themselves, for NumPy')
  .option('--gif <file.gif>', 'the reverse process as an animation (.webp too)')
  .option('--every <n>', 'with --gif: a picture every n steps; default: about 50 pictures', wholeNumber(1))
  .addOption(backendOption())
  .addOption(workersOption())
  .addHelpText(
    'after',
    `
Everything else comes from the run: no flag of training is repeated.

Examples:
  $ diffusion sample runs/mnist --count 100 --guidance 1
  $ diffusion sample runs/mnist --class 7 --sampler ancestral --out sevens.png
  $ diffusion sample runs/mnist --sampler dpm-solver++ --steps 15
  $ diffusion sample runs/pets --class cat
  $ diffusion sample runs/mnist --seeds 0-63,100 --out digits --npz
  $ diffusion sample runs/mnist --gif reverse.gif
  $ diffusion sample runs/mnist --init seven.png --strength 0.5
  $ diffusion sample runs/mnist --init seven.png --mask lower-half.png
  $ diffusion sample runs/mnist --interpolate one.png seven.png --count 10 --out between.png
  $ diffusion sample runs/mnist --guide runs/mnist@1000 --guidance 1
  $ diffusion sample runs/mnist --class 3 --guidance -1 --classifier runs/mnist-classifier --classifier-scale 2
  $ diffusion sample runs/mnist-superres --condition runs/mnist-7 --condition-noise 0.1`,
  )
  .action(sampleAction);

function solverOrder(text: string): 1 | 2 | 3 | 4 {
  const found = ([1, 2, 3, 4] as const).find((n) => String(n) === text);
  if (found === undefined) throw new InvalidArgumentError('Expected 1, 2, 3 or 4.');
  return found;
}

async function sampleAction(folder: string, options: SampleOptions): Promise<void> {
  if (options.every !== undefined && options.gif === undefined) {
    throw new Refusal('--every goes with --gif: it says how often a picture is taken for the animation.', {
      exitCode: 2,
    });
  }
  for (const file of [options.out, ...(options.gif === undefined ? [] : [options.gif])]) checkFolder(file);
  if (options.gif !== undefined) checkEnding('--gif', options.gif, ['.gif', '.webp']);
  const each = isFolder(options.out);
  if (options.npz && !each) {
    throw new Refusal(`--npz goes with a folder, and --out is ${options.out}.`, { exitCode: 2 });
  }
  checkEditing(options, options);
  checkClassifier(options);
  const backend = await startBackend(options.backend);
  const drawing = await openDrawing(folder, options);
  const { config, built, settings, seeds, label } = drawing;
  const interrupt = interruptible(() => {});
  const bar = progress('sample', 0, settings.count);
  try {
    const workers = workersToShare(options.workers, backend, partsToDraw(drawing, options.batch));
    const { samples, frames, told, rows, labels } = await withRanks(workers, backend, () =>
      onAll('sample', { folder, options }, () =>
        drawAll(drawing, options, {
          signal: interrupt.signal,
          onStep: (done) => bar.update(Math.floor(done * settings.count), ''),
        }),
      ),
    );
    bar.stop();
    const shown = { data: config.data, shape: built.network.shape };
    const columns = columnsOf(built.network, settings.count, label === undefined && !options.seeds);
    if (!each) {
      const of = told && (await besideTold(samples, told, rows!, shown));
      await writePicture(options.out, of?.values ?? samples, shown, columns * (of?.each ?? 1));
    }
    if (each && built.network.isImage) await writeEach(options.out, samples, shown, seeds);
    if (options.npz) {
      await writeNumbers(options.out, samples, shown, {
        seeds: Float64Array.from(seeds),
        ...(built.network.classes !== undefined && { labels: Int32Array.from(seeds, (_, i) => labels(i)) }),
      });
    }
    if (config.data.kind === 'names') console.log(spelled(samples, shown).join('\n'));
    console.log(options.out);
    if (options.gif !== undefined) {
      await writeAnimation(options.gif, frames, shown, columns);
      console.log(options.gif);
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = interrupt.exitCode();
  } finally {
    bar.stop();
    interrupt.release();
    drawing.dispose();
  }
}

/** What a command line asks to be drawn, and all that is opened for it. */
interface Drawing extends Pick<Opened, 'config' | 'built' | 'params'> {
  /** That of the run itself, which no classifier leads. */
  readonly own: Built;
  readonly settings: RunConfig['sampling'];
  /** Of each sample. */
  readonly seeds: readonly number[];
  /** The class of all samples, if one is asked for. */
  readonly label: number | undefined;
  readonly edit: Edit | undefined;
  dispose(): void;
}

async function openDrawing(folder: string, options: SampleOptions): Promise<Drawing> {
  const { config, params, ...opened } = await openModel(folder);
  const names = readFingerprint(folder)?.classes ?? [];
  const led =
    options.classifier === undefined
      ? { names, built: opened.built, dispose: () => {} }
      : await ledByClassifier(options.classifier, options.classifierScale ?? 1, { config, names, ...opened });
  const { built } = led;
  const settings = chosen(config.sampling, built.forward, options);
  checkOut({ config, built, settings }, options);
  const label = options.class === undefined ? undefined : labelOf(options.class, built.network, led.names);
  checkTelling(options, config);
  const edit = await openEdit(options, { config, built, params, folder, settings, label });
  return {
    config,
    built,
    params,
    own: opened.built,
    settings,
    seeds: options.seeds ?? Array.from({ length: settings.count }, (_, i) => i),
    label,
    edit,
    dispose() {
      edit?.dispose();
      disposeParams(params);
      led.dispose();
    },
  };
}

/** That there can be such files of what is drawn. */
function checkOut(
  { config, built, settings }: Pick<Drawing, 'config' | 'built' | 'settings'>,
  { out, npz, seeds }: SampleOptions,
): void {
  if (!isFolder(out)) {
    checkEnding('--out', out, isPoints(config.data) ? ['.png', '.svg'] : ['.png']);
    checkCount(built.network, settings.count, seeds === undefined ? '--count' : '--seeds');
  } else if (!built.network.isImage && !npz) {
    throw new Refusal(
      `--out is the folder ${out}: expected a file, since samples of this run are no images, or --npz with it.`,
      { exitCode: 2 },
    );
  }
}

/** How many parts the work has that are independent of each other; of points each worker would have too little to do. */
function partsToDraw({ built: { network }, settings }: Drawing, batch = partOf(network)): number {
  const apart = network.isImage && !SAMPLERS[settings.sampler]!.findsSteps;
  return apart ? settings.count : Math.ceil(settings.count / batch);
}

/** Draws what is asked for, all ranks together. */
async function drawAll(
  { config, built, params, own, settings, seeds, label, edit }: Drawing,
  options: SampleOptions,
  watched: Pick<SampleRunOptions, 'signal' | 'onStep'>,
): Promise<Drawn & { told?: ToldImages; rows?: ToldRows; labels(i: number): number }> {
  let told: ToldImages | undefined;
  const labels = (i: number): number =>
    label ?? told?.labels?.[i] ?? seeds[i]! % (built.network.classes ?? 1);
  const source = options.seeds === undefined ? rng(options.seed) : stackedRng(options.seeds.map(rng));
  if (built.network.image !== undefined) {
    const only = own.network.classes === undefined ? undefined : label;
    const first = { rng: source, label: labels, ...(watched.signal && { signal: watched.signal }) };
    told = await toldImages(options, { config, built, numbers: seeds, only, first });
  }
  const rows = told && toldRows(config, told, source, options.conditionNoise ?? 0);
  const steps = settings.steps ?? built.forward.schedule.steps ?? 0;
  const every = options.every ?? Math.max(1, Math.round(steps / 50));
  const drawn = await sampleRun({
    ...watched,
    built,
    params,
    settings,
    rng: source,
    image: rows?.image,
    label: labels,
    edit,
    ...(options.gif !== undefined && { keep: (index: number) => index % every === 0 }),
    ...(options.batch !== undefined && { batch: options.batch }),
  });
  return { ...drawn, ...(told && { told, rows: rows! }), labels };
}

/** What the other ranks do meanwhile. */
export async function sampleOnRank(folder: string, options: SampleOptions): Promise<void> {
  const drawing = await openDrawing(folder, options);
  try {
    await drawAll(drawing, options, {});
  } finally {
    drawing.dispose();
  }
}

/** That what is said of a classifier goes together. */
function checkClassifier({ classifier, classifierScale, interpolate }: SampleOptions): void {
  if (classifier === undefined && classifierScale !== undefined) {
    throw new Refusal('--classifier-scale goes with --classifier: it says how much that leads.', {
      exitCode: 2,
    });
  }
  if (classifier !== undefined && interpolate !== undefined) {
    throw new Refusal(
      '--classifier does not go with --interpolate: the way back to noise is that of the network alone.',
      { exitCode: 2 },
    );
  }
}

/** Whether a path is that of a folder: one that is there, or one to make, whose name has no ending. */
function isFolder(path: string): boolean {
  return existsSync(path) ? statSync(path).isDirectory() : extname(path) === '';
}

/** That a file can be what its name says. */
function checkEnding(option: string, file: string, endings: readonly string[]): void {
  if (endings.includes(extname(file).toLowerCase())) return;
  throw new Refusal(`${option} is ${file}: expected a file that ends in ${endings.join(' or ')}.`, {
    exitCode: 2,
  });
}

/** That there is a folder to write to, before all the work. */
function checkFolder(file: string): void {
  const folder = dirname(file);
  if (existsSync(folder)) return;
  throw new Refusal(`${file} cannot be written: there is no folder ${folder}.`, { exitCode: 2 });
}

/** The settings of the run, but for those that the command line names. */
function chosen(
  saved: RunConfig['sampling'],
  { schedule }: Built['forward'],
  options: SampleOptions,
): RunConfig['sampling'] {
  const {
    sampler = saved.sampler,
    // Another sampler has as much noise, and is as exact, as it is of itself.
    eta = sampler === saved.sampler ? saved.eta : null,
    order = sampler === saved.sampler ? saved.order : null,
    churn = saved.churn,
    tolerance = sampler === saved.sampler ? saved.tolerance : null,
    times = saved.times,
    guidance = saved.guidance,
    count = options.seeds?.length ?? (options.interpolate ? BETWEEN : saved.count),
  } = options;
  for (const setting of ['eta', 'order', 'churn', 'tolerance'] as const) {
    if (options[setting] === undefined || SAMPLERS[sampler]!.knows.includes(setting)) continue;
    const owners = Object.keys(SAMPLERS).filter((name) => SAMPLERS[name]!.knows.includes(setting));
    throw new Refusal(
      `--${setting} belongs to --sampler ${owners.join(' or ')}: ${sampler} has no such choice.`,
      { exitCode: 2 },
    );
  }
  try {
    SAMPLERS[sampler]!.make({ ...(order !== null && { order }) });
  } catch (error) {
    throw new Refusal(`--order does not go with --sampler ${sampler}: ${sentence(error)}.`, { exitCode: 2 });
  }
  const spread = options.steps === undefined ? options.times && '--times' : '--steps';
  if (spread !== undefined && SAMPLERS[sampler]!.findsSteps) {
    throw new Refusal(`${spread} is for a list of steps: ${sampler} finds its own, to a --tolerance.`, {
      exitCode: 2,
    });
  }
  // The few steps that suffice for another sampler are too few for the ancestral one, where the schedule has more.
  const takesAll = sampler === 'ancestral' && saved.sampler !== 'ancestral' && schedule.steps !== undefined;
  const ofRun = takesAll ? null : saved.steps;
  return {
    ...saved,
    sampler,
    steps: options.steps ?? ofRun,
    times,
    eta,
    order,
    churn,
    tolerance,
    guidance,
    count,
  };
}
