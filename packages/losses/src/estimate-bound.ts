import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { type Condition, nextTask, type Rng } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { priorBits } from './bound-term.js';
import { inclusion, systematic } from './bound-times.js';
import { logProb } from './decoder.js';
import { readAndDispose, readBoundTerm } from './read-bits.js';
import type { VariationalBoundOptions } from './variational-bound.js';
import { stepsOf } from './variational-bound-terms.js';

/** The bound on a set of examples in bits per dimension: means over the examples, and the standard error of the sum. */
export interface BoundEstimate {
  /** How many examples there were. */
  readonly images: number;
  /** An estimate of an upper bound of −log₂ p_θ(x_0): the sum of the three parts below. */
  readonly bitsPerDim: number;
  /** Over the examples, the noise and the choice of times. */
  readonly standardError: number;
  /** L_T. */
  readonly prior: number;
  /** The sum of L_{t−1} over all t but the first. */
  readonly transitions: number;
  /** L_0. */
  readonly reconstruction: number;
  /**
   * Over the examples that were evaluated at t, the mean term, and the root of the mean square of x̂_0 − x_0; that of ε̂ − ε
   * is α/σ times as large.
   */
  readonly terms: { readonly t: number; readonly bitsPerDim: number; readonly x0Error: number }[];
}

/** How many terms of the bound are drawn, and how. */
export interface EstimateBoundOptions<D extends Distribution = Gaussian> extends VariationalBoundOptions<D> {
  /** How many terms are evaluated for each example, 2 or more: L_0 always, and others. All of them make the full sum. */
  readonly times: number;
  /** Where the noise and the choice of times come from; the same `rng` gives the same estimate. */
  readonly rng: Rng;
  /** Checked before every evaluation of the network. */
  readonly signal?: AbortSignal;
  /** Called after every evaluation with the number of examples done, parts of them included. */
  readonly onExamples?: (done: number) => void;
}

/** What is known of the bound on one example: numbers alone, which any wire carries. */
export interface ExampleBits {
  /** L_T of it, in bits per dimension. */
  readonly prior: number;
  /** The terms that were evaluated: the probability π_t with which each was, its bits, and the mean square of x̂_0 − x_0. */
  readonly terms: readonly {
    readonly t: number;
    readonly probability: number;
    readonly bits: number;
    readonly squaredError: number;
  }[];
}

/**
 * Estimates the variational bound (Ho et al. 2020, eq. 5) of a data set without bias from a few of its terms: each example
 * is evaluated at times of its own, chosen with known probabilities π_t, and Σ L_t/π_t over those has the whole sum as its
 * expectation (Horvitz and Thompson 1952). It does not depend on how the examples are batched.
 * @throws RangeError where the schedule has no steps or `times` is less than 2; the signal's reason once it is aborted.
 * @example
 * async function* batches() {
 *   yield { x0 }; // images k/127.5 − 1, [batch, height, width, channels]
 * }
 * const bound = await estimateBound(reverse, batches(), { times: 10, rng: rng(0), decoder: tanhDecoder });
 * console.log(`${bound.bitsPerDim} ± ${bound.standardError} bits per dimension`);
 */
export async function estimateBound<D extends Distribution = Gaussian>(
  reverse: ReverseProcess<D>,
  batches: BoundBatches,
  options: EstimateBoundOptions<D>,
): Promise<BoundEstimate> {
  return boundEstimate(await boundBits(reverse, batches, options));
}

/** The examples of an estimate of the bound, in batches of any size, which remain the caller's. */
export type BoundBatches = AsyncIterable<{
  /** `[batch, …]`. */
  readonly x0: tf.Tensor;
  /** What the network is told of each example. */
  readonly condition?: Condition;
}>;

/**
 * What `estimateBound` evaluates of each example, where several ranks each have some of them: `first` is the number of the
 * first of these among all. Example i gives the same numbers whoever has it.
 * @throws what `estimateBound` throws.
 * @example
 * const own = await boundBits(reverse, ownBatches(), { times: 10, rng: rng(0), first: 128 * rank });
 * const bound = boundEstimate((await gatherValues(communicator, own)).flat());
 */
export async function boundBits<D extends Distribution = Gaussian>(
  reverse: ReverseProcess<D>,
  batches: BoundBatches,
  {
    decoder = logProb,
    times,
    rng,
    signal,
    onExamples,
    first: before = 0,
  }: EstimateBoundOptions<D> & {
    /** The number of the first example; default 0. */
    readonly first?: number;
  },
): Promise<ExampleBits[]> {
  const { forward } = reverse;
  const steps = stepsOf(reverse);
  if (!Number.isInteger(times) || times < Math.min(2, steps)) {
    throw new RangeError(
      `times is ${times}, expected a whole number of at least 2: one is always that of the decoder`,
    );
  }
  const probabilities = inclusion(forward.schedule, steps, times);
  const examples: ExampleBits[] = [];

  for await (const { x0, condition } of batches) {
    const done = examples.length;
    const rows = x0.shape[0]!;
    const source = rng.fork('noise').rows(before + done);
    const offsets = rng
      .fork('offset')
      .rows(before + done)
      .doubles(rows);
    const chosen = Array.from(offsets, (u) => systematic(probabilities, u));
    const most = chosen.reduce((most, own) => Math.max(most, own.length), 0);
    const terms = chosen.map((): ExampleBits['terms'][number][] => []);
    const prior = await readAndDispose(priorBits(forward, x0));

    for (let k = 0; k < most; k++) {
      signal?.throwIfAborted();
      await nextTask();
      // An example that has one time less than others (the sum of π_t rounds) is evaluated again and not counted.
      const times = Float64Array.from(chosen, (own) => own[k] ?? 0);
      const noise = forward.noise(source, x0.shape);
      try {
        const { bits, squaredError } = await readBoundTerm(reverse, x0, times, noise, decoder, condition);
        chosen.forEach((own, i) => {
          const t = own[k];
          if (t === undefined) return;
          const probability = probabilities[t]!;
          terms[i]!.push({ t, probability, bits: bits[i]!, squaredError: squaredError[i]! });
        });
      } finally {
        noise.dispose();
      }
      onExamples?.(done + (rows * (k + 1)) / most);
    }
    examples.push(...terms.map((terms, i) => ({ prior: prior[i]!, terms })));
  }
  return examples;
}

/**
 * The estimate of the bound that examples make together, those of all ranks.
 * @example
 * const { bitsPerDim } = boundEstimate(await boundBits(reverse, batches(), { times: 10, rng: rng(0) }));
 */
export function boundEstimate(examples: readonly ExampleBits[]): BoundEstimate {
  const images = examples.length;
  const meanOf = (bits: (example: ExampleBits) => number): number =>
    examples.reduce((sum, example) => sum + bits(example), 0) / images;
  const total = ({ prior, terms }: ExampleBits): number =>
    terms.reduce((sum, { bits, probability }) => sum + bits / probability, prior);
  const mean = meanOf(total);
  const prior = meanOf((example) => example.prior);
  const reconstruction = meanOf(({ terms }) => terms.find(({ t }) => t === 0)?.bits ?? 0);
  const squares = examples.reduce((sum, example) => sum + (total(example) - mean) ** 2, 0);
  const byTime = new Map<number, ExampleBits['terms'][number][]>();
  for (const term of examples.flatMap(({ terms }) => terms)) {
    if (!byTime.has(term.t)) byTime.set(term.t, []);
    byTime.get(term.t)!.push(term);
  }
  return {
    images,
    bitsPerDim: mean,
    standardError: Math.sqrt(squares / Math.max(1, images - 1) / images),
    prior,
    transitions: mean - prior - reconstruction,
    reconstruction,
    terms: [...byTime]
      .sort(([t], [other]) => t - other)
      .map(([t, terms]) => ({
        t,
        bitsPerDim: terms.reduce((sum, { bits }) => sum + bits, 0) / terms.length,
        x0Error: Math.sqrt(terms.reduce((sum, { squaredError }) => sum + squaredError, 0) / terms.length),
      })),
  };
}
