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

/** What is known of the bound on some examples: numbers alone, which any wire carries. */
export interface BoundBits {
  /** Of each example, in bits per dimension: L_T; L_0; and Σ L_t/π_t over the terms that were evaluated, with L_T. */
  readonly examples: readonly {
    readonly prior: number;
    readonly reconstruction: number;
    readonly total: number;
  }[];
  /** Of each t that any was evaluated at: how many were, and the sums of their bits and of the mean squares of x̂_0 − x_0. */
  readonly times: readonly {
    readonly t: number;
    readonly count: number;
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
  return boundEstimate([await boundBits(reverse, batches, options)]);
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
 * const bound = boundEstimate(await gatherValues(communicator, own));
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
): Promise<BoundBits> {
  const { forward } = reverse;
  const steps = stepsOf(reverse);
  if (!Number.isInteger(times) || times < Math.min(2, steps)) {
    throw new RangeError(
      `times is ${times}, expected a whole number of at least 2: one is always that of the decoder`,
    );
  }
  const probabilities = inclusion(forward.schedule, steps, times);
  const examples: BoundBits['examples'][number][] = [];
  const sums = new Float64Array(steps);
  const squares = new Float64Array(steps);
  const counts = new Uint32Array(steps);

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
    const prior = await readAndDispose(priorBits(forward, x0));
    const totals = Float64Array.from(prior);
    const reconstruction = new Float64Array(rows);

    for (let k = 0; k < most; k++) {
      signal?.throwIfAborted();
      await nextTask();
      // An example that has one time less than others (the sum of π_t rounds) is evaluated again and not counted.
      const at = Float64Array.from(chosen, (own) => own[k] ?? 0);
      const noise = forward.noise(source, x0.shape);
      try {
        const { bits, squaredError } = await readBoundTerm(reverse, x0, at, noise, decoder, condition);
        chosen.forEach((own, i) => {
          const t = own[k];
          if (t === undefined) return;
          totals[i]! += bits[i]! / probabilities[t]!;
          sums[t]! += bits[i]!;
          squares[t]! += squaredError[i]!;
          counts[t]! += 1;
          if (t === 0) reconstruction[i] = bits[i]!;
        });
      } finally {
        noise.dispose();
      }
      onExamples?.(done + (rows * (k + 1)) / most);
    }
    totals.forEach((total, i) => {
      examples.push({ prior: prior[i]!, reconstruction: reconstruction[i]!, total });
    });
  }
  const evaluated = [...counts].flatMap((count, t) =>
    count > 0 ? [{ t, count, bits: sums[t]!, squaredError: squares[t]! }] : [],
  );
  return { examples, times: evaluated };
}

/**
 * The estimate of the bound that all examples make together, of which each part has some, in their order.
 * @example
 * const { bitsPerDim } = boundEstimate([await boundBits(reverse, batches(), { times: 10, rng: rng(0) })]);
 */
export function boundEstimate(parts: readonly BoundBits[]): BoundEstimate {
  const examples = parts.flatMap(({ examples }) => examples);
  const images = examples.length;
  const meanOf = (bits: (example: BoundBits['examples'][number]) => number): number =>
    examples.reduce((sum, example) => sum + bits(example), 0) / images;
  const mean = meanOf(({ total }) => total);
  const prior = meanOf((example) => example.prior);
  const reconstruction = meanOf((example) => example.reconstruction);
  const variance = (meanOf(({ total }) => (total - mean) ** 2) * images) / Math.max(1, images - 1);
  const byTime = new Map<number, BoundBits['times'][number]>();
  for (const own of parts.flatMap(({ times }) => times)) {
    const { count, bits, squaredError } = byTime.get(own.t) ?? { count: 0, bits: 0, squaredError: 0 };
    byTime.set(own.t, {
      t: own.t,
      count: count + own.count,
      bits: bits + own.bits,
      squaredError: squaredError + own.squaredError,
    });
  }
  return {
    images,
    bitsPerDim: mean,
    standardError: Math.sqrt(variance / images),
    prior,
    transitions: mean - prior - reconstruction,
    reconstruction,
    terms: [...byTime.values()]
      .sort((a, b) => a.t - b.t)
      .map(({ t, count, bits, squaredError }) => ({
        t,
        bitsPerDim: bits / count,
        x0Error: Math.sqrt(squaredError / count),
      })),
  };
}
