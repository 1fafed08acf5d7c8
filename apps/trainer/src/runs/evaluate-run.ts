import { type Batch, type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import { type BoundEstimate, boundBits, boundEstimate } from '@diffusion-ts/losses';
import {
  type Built,
  emptyCondition,
  learnsWithout,
  type Network,
  nullBits,
  type RunConfig,
} from '@diffusion-ts/recipes';
import {
  type GaussianReverseProcess,
  type ReverseProcess,
  VARIANCES,
  type Variance,
} from '@diffusion-ts/reverse-process';
import { chooseRows, type Params, rng, whenAnswered } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from '../errors.js';
import type { Evaluation } from '../run/evaluation.js';
import { ofAll, type Share, shareOf, together } from '../shared.js';
import { partOf, withParts } from './parts.js';

export interface EvaluateOptions {
  readonly config: RunConfig;
  readonly built: Built;
  readonly params: Params;
  readonly dataset: Dataset;
  /** How many examples, from the first on. */
  readonly limit: number;
  /** How many terms of the bound are evaluated for each. */
  readonly timesteps: number;
  readonly seed: number;
  /** How often all of it is done, with other noise and other times; default once. */
  readonly repeats?: number;
  /** Tells the network of no class, where it learned without: the bound then is one of p(x). */
  readonly unconditional?: boolean;
  readonly signal?: AbortSignal;
  readonly onImages?: (done: number) => void;
}

/** All that is told of an evaluation but of which run and data it is. */
export type Estimated = Omit<Evaluation, 'step' | 'split' | 'timesteps'>;

/** The variational bound of weights on the first examples of a dataset, of which each rank evaluates its share. */
export async function evaluateRun(options: EvaluateOptions): Promise<Estimated> {
  const { config, built, params, dataset, repeats = 1 } = options;
  checkData(options);
  const count = Math.min(options.limit, dataset.size);
  const reverse = built.process(params);
  try {
    const { estimates, fixed } = await estimatesOf(reverse, options, count);
    return {
      ...told(reverse, meanOf(estimates), await nullBits(config.data, dataset, count), options),
      ...(repeats > 1 && {
        standardErrorOverRepeats: standardError(estimates.map(({ bitsPerDim }) => bitsPerDim)),
      }),
      ...(fixed.length > 0 && { fixedVariances: fixed }),
      ...(await ofImages(config.data, meanOf(estimates), count, options.seed)),
    };
  } finally {
    reverse.dispose();
  }
}

/** What the other ranks do meanwhile. */
export async function evaluateAlong(options: EvaluateOptions): Promise<void> {
  const reverse = options.built.process(options.params);
  try {
    await estimatesOf(reverse, options, Math.min(options.limit, options.dataset.size));
  } finally {
    reverse.dispose();
  }
}

/** What all ranks do: every repeat, and what a learned variance would cost if it were fixed. */
async function estimatesOf(
  reverse: ReverseProcess,
  options: EvaluateOptions,
  count: number,
): Promise<{ estimates: BoundEstimate[]; fixed: { name: string; bitsPerDim: number }[] }> {
  const estimates: BoundEstimate[] = [];
  for (let k = 0; k < (options.repeats ?? 1); k++) {
    estimates.push(await estimateOf(reverse, options, count, k));
  }
  const fixed: { name: string; bitsPerDim: number }[] = [];
  if (isLearned(reverse)) {
    for (const variance of [VARIANCES.fixedSmall, VARIANCES.fixedLarge]) {
      const { bitsPerDim } = await estimateOf(withVariance(reverse, variance), options, count, 0);
      fixed.push({ name: variance.name, bitsPerDim });
    }
  }
  return { estimates, fixed };
}

async function estimateOf(
  reverse: ReverseProcess,
  { built, dataset, timesteps, seed, unconditional = false, signal, onImages }: EvaluateOptions,
  count: number,
  repeat: number,
): Promise<BoundEstimate> {
  const random = rng(seed).fork('evaluation');
  const share = shareOf(count);
  const evaluate = (part: number): ReturnType<typeof boundBits> => {
    const examples = inOrder(dataset, share, part);
    return boundBits(reverse, unconditional ? withoutClass(examples, built) : examples, {
      decoder: built.decoder,
      times: Math.min(timesteps, stepsToSum(built.forward)),
      rng: repeat === 0 ? random : random.fork(repeat),
      first: share.first,
      ...(signal && { signal }),
      ...(onImages && { onExamples: (done) => onImages((done * count) / share.own) }),
    });
  };
  const bits = await together(() => withParts(Math.min(partOf(built.network), share.own), evaluate), signal);
  return boundEstimate(await ofAll(bits));
}

function isLearned(reverse: ReverseProcess): reverse is GaussianReverseProcess {
  return 'variance' in reverse && (reverse as GaussianReverseProcess).variance.learned;
}

/** The same mean with a variance that is fixed: of what the network says, the half that is the prediction. */
function withVariance(reverse: GaussianReverseProcess, variance: Variance): GaussianReverseProcess {
  const { denoiser } = reverse;
  return {
    ...reverse,
    variance,
    denoiser: (xt, told, condition) =>
      whenAnswered(
        () => denoiser(xt, told, condition),
        (output) => {
          const [prediction, raw] = tf.split(output, 2, -1) as [tf.Tensor, tf.Tensor];
          tf.dispose([output, raw]);
          return prediction;
        },
        () => {},
      ),
  };
}

/** An estimate with what it bounds, that of whole examples, and the errors of a network of Gaussian noise. */
function told(
  { forward }: ReverseProcess,
  estimate: BoundEstimate,
  nullBitsPerDim: number,
  { config, built: { network, latentShape }, unconditional = false }: EvaluateOptions,
): Estimated {
  const { bitsPerDim, standardError, prior, transitions, terms } = estimate;
  const dimensions = network.shape.reduce((product, n) => product * n, 1);
  return {
    ...estimate,
    bounds: unconditional ? 'p(x)' : boundOf(network),
    dimensions,
    boundBits: -bitsPerDim * dimensions,
    boundBitsStandardError: standardError * dimensions,
    nullBits: -nullBitsPerDim * dimensions,
    nullBitsPerDim,
    rate: prior + transitions,
    terms: terms.map(({ t, bitsPerDim, x0Error }) => {
      // Classes have no distance, and latents no ε.
      if (config.process.noise !== 'gaussian' || latentShape !== undefined) return { t, bitsPerDim };
      const { alpha, sigma } = forward.schedule.level(t);
      return { t, bitsPerDim, x0Error, epsilonError: (alpha / sigma) * x0Error };
    }),
  };
}

/** What the bound of a network is one of: the data, given what it is told of them. */
function boundOf({ classes, image }: Network): string {
  const told = [...(classes === undefined ? [] : ['class']), ...(image === undefined ? [] : ['image'])];
  return told.length === 0 ? 'p(x)' : `p(x | ${told.join(', ')})`;
}

/** What a bound on latents makes of the images that they stand for. */
async function ofImages(
  data: RunConfig['data'],
  { bitsPerDim }: BoundEstimate,
  count: number,
  seed: number,
): Promise<Pick<Estimated, 'throughLatents'>> {
  if (data.kind !== 'latents') return {};
  const { firstStageBits } = await import('./first-stage.js');
  const { distortion, encoding, latents, dimensions } = await firstStageBits(
    data,
    count,
    rng(seed).fork('first stage'),
  );
  const ofLatents = (bitsPerDim * latents) / dimensions;
  return {
    throughLatents: {
      bitsPerDim: distortion + encoding + ofLatents,
      distortion,
      encoding,
      latents: ofLatents,
    },
  };
}

/** The means of all that is estimated. */
function meanOf(estimates: readonly BoundEstimate[]): BoundEstimate {
  const [first] = estimates as [BoundEstimate];
  if (estimates.length === 1) return first;
  const mean = (of: (estimate: BoundEstimate) => number): number =>
    estimates.reduce((sum, estimate) => sum + of(estimate), 0) / estimates.length;
  return {
    ...first,
    bitsPerDim: mean(({ bitsPerDim }) => bitsPerDim),
    standardError: mean(({ standardError }) => standardError),
    prior: mean(({ prior }) => prior),
    transitions: mean(({ transitions }) => transitions),
    reconstruction: mean(({ reconstruction }) => reconstruction),
  };
}

export function standardError(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

/** How many terms the bound of a process has. */
export function stepsToSum({ schedule }: Pick<Built['forward'], 'schedule'>): number {
  if (schedule.steps !== undefined) return schedule.steps;
  throw new Refusal(
    'The bound is a sum over the steps of a schedule, and the schedule of this run has none: its time is continuous.',
  );
}

/** That the data are such as the network learned from, and that what is to be hidden of them could be. */
export function checkData({
  built: { network },
  dataset,
  unconditional = false,
}: Pick<EvaluateOptions, 'built' | 'dataset' | 'unconditional'>): void {
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
  if (unconditional && (classes ?? network.image) !== undefined && !learnsWithout(network)) {
    throw new Refusal(
      '--unconditional needs a model that learned some of the examples without their class or image (training.labelDropout); this one did not.',
      { exitCode: 2 },
    );
  }
}

/** The examples of a share in their order, a part at a time, which is freed when the next is asked for. */
export async function* inOrder(dataset: Dataset, { first, own }: Share, part: number): AsyncGenerator<Batch> {
  for (let done = 0; done < own; done += part) {
    const batch = await dataset.batch(
      Array.from({ length: Math.min(part, own - done) }, (_, i) => first + done + i),
    );
    try {
      yield batch;
    } finally {
      disposeBatch(batch);
    }
  }
}

/** The same, told of no class. */
export async function* withoutClass(
  examples: AsyncGenerator<Batch>,
  { network }: Built,
): AsyncGenerator<Batch> {
  const empty = emptyCondition(network);
  try {
    for await (const { x0, condition } of examples) {
      if (empty === undefined || condition === undefined) {
        yield { x0 };
        continue;
      }
      const hidden = tf.tidy(() => chooseRows(tf.ones([x0.shape[0]!], 'bool'), empty.condition, condition));
      try {
        yield { x0, condition: hidden };
      } finally {
        tf.dispose(hidden);
      }
    }
  } finally {
    empty?.dispose();
  }
}
