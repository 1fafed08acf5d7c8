import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { oneOfThese, type RunConfig } from '@diffusion-ts/recipes';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { disposeParams, rng } from '@diffusion-ts/tensor';
import { Command, InvalidArgumentError } from 'commander';
import { type Backend, startBackend } from '../backend.js';
import { isDiffusers } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { interruptible } from '../interrupt.js';
import { comparison } from '../pictures/comparison.js';
import { png } from '../pictures/raster.js';
import { progress } from '../progress.js';
import { onAll, withRanks } from '../ranks.js';
import { readFingerprint } from '../run/fingerprint.js';
import { replaceFile } from '../run/replace-file.js';
import { type Cell, type CompareOptions, compareRun, type Job } from '../runs/compare-run.js';
import { openModel } from '../runs/open-model.js';
import { ofTestImages, toldRows } from '../runs/told-images.js';
import { type Workers, workersToShare } from '../workers.js';
import { labelOf } from './class-name.js';
import { backendOption, numberFrom, once, wholeNumber, workersOption } from './options.js';
import { seedList } from './seeds.js';

export interface CompareCommandOptions {
  samplers: string[];
  steps: number[];
  seeds: number[];
  class?: string;
  guidance?: number;
  out?: string;
  json?: boolean;
  backend: Backend;
  workers: Workers;
}

export const compareCommand: Command = new Command('compare')
  .description('Draw from the same noise with several samplers, in few steps and in many.')
  .argument('<run>', 'the folder of a run, or of a UNet2DModel or its pipeline as diffusers writes them')
  .option(
    '--samplers <names>',
    'such as ddim,heun,dpm-solver++ (default: all that there are)',
    samplerList,
    Object.keys(SAMPLERS),
  )
  .option('--steps <list>', 'the numbers of steps', stepList, [5, 10, 20, 50])
  .option('--seeds <list>', 'a sample for each of these seeds', seedList, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  .option('--class <name>', 'the class of all samples, by name or number; by default the classes take turns')
  .option(
    '--guidance <w>',
    'classifier-free guidance; default: as the config of the run says',
    numberFrom(-1),
  )
  .option(
    '--out <folder>',
    'where compare.png and compare.json go (default: the run, whose report shows them)',
  )
  .option('--json', 'print the numbers as JSON')
  .addOption(backendOption())
  .addOption(workersOption())
  .addHelpText(
    'after',
    `
Each cell tells the evaluations of the network for a sample, the seconds for all of them, and how far they are from the
converged sample (root mean square): for samplers that follow the probability flow that of Heun in many steps, for those
that add the noise of a Brownian path their own in as many. Ancestral sampling draws afresh and converges to no sample.

Examples:
  $ diffusion compare runs/mnist
  $ diffusion compare runs/mnist --samplers ddim,heun,dpm-solver++ --steps 5,10,20,50 --seeds 0-8`,
  )
  .action(compareAction);

function samplerList(text: string): string[] {
  const names = text.split(',').map((part) => {
    const name = part.trim();
    if (Object.hasOwn(SAMPLERS, name)) return name;
    throw new InvalidArgumentError(`Expected ${oneOfThese(name, Object.keys(SAMPLERS))}.`);
  });
  return once(names);
}

function stepList(text: string): number[] {
  return once(text.split(',').map(wholeNumber(1)));
}

async function compareAction(folder: string, options: CompareCommandOptions): Promise<void> {
  const inRun = options.out === undefined;
  if (inRun && isDiffusers(folder)) {
    throw new Refusal('--out is missing: a folder of diffusers is read, not written to.', { exitCode: 2 });
  }
  const backend = await startBackend(options.backend);
  const comparing = await openComparison(folder, options);
  const { config, built, step } = comparing;
  const interrupt = interruptible(() => {});
  const bar = progress('compare', 0, 100);
  try {
    // Of points each worker would have too little to do.
    const parts = built.network.isImage ? options.seeds.length : 1;
    const cells = await withRanks(workersToShare(options.workers, backend, parts), backend, () =>
      onAll('compare', { folder, options }, () =>
        compareRun({
          ...comparing,
          signal: interrupt.signal,
          onProgress: (done) => bar.update(Math.floor(100 * done), ''),
        }),
      ),
    );
    bar.stop();
    const out = options.out ?? join(folder, 'pictures');
    mkdirSync(out, { recursive: true });
    const found = { step, seeds: options.seeds, cells: cells.map(({ samples: _, ...cell }) => cell) };
    const shown = { data: config.data, shape: built.network.shape };
    replaceFile(join(out, 'compare.png'), await png(await comparison(cells, shown)));
    replaceFile(join(out, 'compare.json'), `${JSON.stringify(found, null, 2)}\n`);
    console.log(options.json ? JSON.stringify(found, null, 2) : table(cells));
    console.error(join(out, 'compare.png'));
    if (inRun) {
      const { writeReport } = await import('../report/report.js');
      console.error(writeReport(folder));
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = interrupt.exitCode();
  } finally {
    bar.stop();
    interrupt.release();
    disposeParams(comparing.params);
  }
}

/** What a command line asks to be compared, and all that is opened for it. */
async function openComparison(
  folder: string,
  options: CompareCommandOptions,
): Promise<CompareOptions & { readonly config: RunConfig; readonly step?: number }> {
  const { config, built, params, step } = await openModel(folder);
  try {
    const names = readFingerprint(folder)?.classes ?? [];
    const label = options.class === undefined ? undefined : labelOf(options.class, built.network, names);
    const { guidance = config.sampling.guidance } = options;
    const settings = { ...config.sampling, guidance };
    const jobs = jobsOf(options);
    // Whatever cannot be is refused before the first is drawn.
    for (const job of jobs) built.sampler({ ...settings, ...job });
    const told = built.network.image && (await ofTestImages(config, options.seeds, label));
    return {
      config,
      built,
      params,
      settings,
      jobs,
      seeds: options.seeds,
      label: (i) => label ?? told?.labels?.[i] ?? options.seeds[i]! % (built.network.classes ?? 1),
      image: told && toldRows(config, told, rng(0), 0).image,
      ...(step !== undefined && { step }),
    };
  } catch (error) {
    disposeParams(params);
    throw error;
  }
}

/** What the other ranks do meanwhile. */
export async function compareOnRank(folder: string, options: CompareCommandOptions): Promise<void> {
  const comparing = await openComparison(folder, options);
  try {
    await compareRun(comparing);
  } finally {
    disposeParams(comparing.params);
  }
}

/** Each sampler in each number of steps; one that finds its own once. */
function jobsOf({ samplers, steps }: CompareCommandOptions): Job[] {
  return samplers.flatMap((sampler): Job[] =>
    SAMPLERS[sampler]!.findsSteps ? [{ sampler }] : steps.map((steps) => ({ sampler, steps })),
  );
}

function table(cells: readonly Cell[]): string {
  const width = Math.max(...cells.map(({ sampler }) => sampler.length));
  const rows = cells.map(({ sampler, steps, evaluations, seconds, distance }) =>
    [
      sampler.padEnd(width),
      String(steps ?? '–').padStart(5),
      evaluations.toFixed(0).padStart(11),
      seconds.toFixed(2).padStart(8),
      (distance?.toPrecision(3) ?? '–').padStart(9),
    ].join('  '),
  );
  return [`${'sampler'.padEnd(width)}  steps  evaluations   seconds   distance`, ...rows].join('\n');
}
