import type { Distribution } from '@diffusion-ts/forward-process';
import type { Built, RunConfig } from '@diffusion-ts/recipes';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { type Params, rng, stackedRng } from '@diffusion-ts/tensor';
import { ofAll } from '../shared.js';
import { drawOf, type SampleRunOptions } from './sample-run.js';

/** A sampler in so many steps; one that finds its own has none. */
export interface Job {
  readonly sampler: string;
  readonly steps?: number;
}

/** What a sampler made of the noise. */
export interface Cell extends Job {
  /** Evaluations of the network for each sample. */
  readonly evaluations: number;
  /** For all samples together. */
  readonly seconds: number;
  /** Root mean square of the difference to the converged sample; absent where there is none. */
  readonly distance?: number;
  readonly samples: Float32Array;
}

export interface CompareOptions {
  readonly built: Built;
  readonly params: Params;
  readonly settings: RunConfig['sampling'];
  readonly jobs: readonly Job[];
  readonly seeds: readonly number[];
  readonly label?: ((i: number) => number) | undefined;
  readonly image?: SampleRunOptions['image'];
  readonly signal?: AbortSignal;
  /** Called with the share of the work that is done, in 0 … 1. */
  readonly onProgress?: (done: number) => void;
}

// Heun's error in so many steps is far below that of any sampler in a tenth of them.
const CONVERGED = 256;
// Of a sampler that finds its own steps, for the progress alone.
const ADAPTIVE = 60;

/**
 * The same noise through several samplers. What follows the probability flow is measured against one converged sample,
 * Heun's in many steps; what adds noise that is the same in any number of steps against its own in as many; and what draws
 * afresh in every step converges to no sample. All ranks draw together.
 */
export async function compareRun(options: CompareOptions): Promise<Cell[]> {
  const { built, params, settings, jobs, seeds, label, image, signal, onProgress } = options;
  const process = built.process(params, settings.guidance);
  const most = Math.min(built.forward.schedule.steps ?? CONVERGED, CONVERGED);
  const targets = new Set(jobs.map(({ sampler }) => targetOf(sampler)).filter((name) => name !== undefined));
  const references = [...targets].map((sampler) => ({ sampler, steps: most }));
  const workOf = ({ steps = ADAPTIVE }: Job): number => steps;
  const work = [...references, ...jobs].reduce((sum, job) => sum + workOf(job), 0);
  let before = 0;

  const drawn = async (job: Job): Promise<Cell> => {
    const counted = counting(process);
    const begin = performance.now();
    const { samples } = await drawOf(counted.process, {
      built,
      settings: {
        ...settings,
        eta: null,
        order: null,
        tolerance: null,
        churn: 0,
        sampler: job.sampler,
        steps: job.steps ?? most,
        count: seeds.length,
      },
      rng: stackedRng(seeds.map(rng)),
      label,
      image,
      ...(signal && { signal }),
      onStep: (done) => onProgress?.((before + done * workOf(job)) / work),
    });
    before += workOf(job);
    const seconds = (performance.now() - begin) / 1000;
    const rows = (await ofAll(counted.rows())).reduce((sum, own) => sum + own);
    return { ...job, samples, seconds, evaluations: rows / seeds.length };
  };

  try {
    const converged = new Map<string, Float32Array>();
    for (const job of references) converged.set(job.sampler, (await drawn(job)).samples);
    const cells: Cell[] = [];
    for (const job of jobs) {
      const cell = await drawn(job);
      const target = converged.get(targetOf(job.sampler) ?? '');
      cells.push({ ...cell, ...(target && { distance: rootMeanSquare(cell.samples, target) }) });
    }
    return cells;
  } finally {
    process.dispose();
  }
}

/** The sampler whose sample in many steps is that to which this one converges, if it does. */
function targetOf(name: string): string | undefined {
  return { none: 'heun', path: name, fresh: undefined }[SAMPLERS[name]!.noise];
}

/** The process, and how many examples its network was asked about. */
function counting<D extends Distribution>(
  process: ReverseProcess<D>,
): { process: ReverseProcess<D>; rows(): number } {
  let rows = 0;
  return {
    process: {
      ...process,
      evaluate(xt, ...rest) {
        rows += xt.shape[0]!;
        return process.evaluate(xt, ...rest);
      },
    },
    rows: () => rows,
  };
}

function rootMeanSquare(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / a.length);
}
