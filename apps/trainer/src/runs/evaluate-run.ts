import { type Batch, type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import { type BoundEstimate, estimateBound } from '@diffusion-ts/losses';
import type { Built } from '@diffusion-ts/recipes';
import type { Params } from '@diffusion-ts/tensor';
import { rng } from '@diffusion-ts/tensor';
import { Refusal } from '../errors.js';
import { partOf, withParts } from './parts.js';

export interface EvaluateOptions {
  readonly built: Built;
  readonly params: Params;
  readonly dataset: Dataset;
  /** How many examples, from the first on. */
  readonly limit: number;
  /** How many terms of the bound are evaluated for each. */
  readonly timesteps: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onImages?: (done: number) => void;
}

/** The variational bound of weights on the first examples of a dataset. */
export async function evaluateRun(options: EvaluateOptions): Promise<BoundEstimate> {
  const { built, params, dataset, timesteps, seed, signal, onImages } = options;
  checkData(options);
  const reverse = built.process(params);
  const count = Math.min(options.limit, dataset.size);
  try {
    return await withParts(Math.min(partOf(built.network), count), (part) =>
      estimateBound(reverse, inOrder(dataset, count, part), {
        decoder: built.decoder,
        times: Math.min(timesteps, stepsToSum(built.forward)),
        rng: rng(seed).fork('evaluation'),
        ...(signal && { signal }),
        ...(onImages && { onExamples: onImages }),
      }),
    );
  } finally {
    reverse.dispose();
  }
}

/** How many terms the bound of a process has. */
export function stepsToSum({ schedule }: Built['forward']): number {
  if (schedule.steps !== undefined) return schedule.steps;
  throw new Refusal(
    'The bound is a sum over the steps of a schedule, and the schedule of this run has none: its time is continuous.',
  );
}

function checkData({ built: { network }, dataset }: EvaluateOptions): void {
  if (dataset.shape.join() !== network.shape.join()) {
    throw new Refusal(
      `The data are ${dataset.shape.join('×')}, but the model is for ${network.shape.join('×')}.`,
    );
  }
  const { classes } = network;
  if (classes !== undefined && (dataset.classes?.length ?? 0) !== classes) {
    throw new Refusal(
      `The model knows ${classes} classes, but the data ${dataset.classes === undefined ? 'have no labels' : `have ${dataset.classes.length}`}.`,
    );
  }
}

async function* inOrder(dataset: Dataset, count: number, part: number): AsyncGenerator<Batch> {
  for (let first = 0; first < count; first += part) {
    const batch = await dataset.batch(
      Array.from({ length: Math.min(part, count - first) }, (_, i) => first + i),
    );
    try {
      yield batch;
    } finally {
      disposeBatch(batch);
    }
  }
}
