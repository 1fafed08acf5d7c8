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
  batches: AsyncIterable<{
    /** `[batch, …]`; it remains the caller's. */
    readonly x0: tf.Tensor;
    /** What the network is told of each example. */
    readonly condition?: Condition;
  }>,
  { decoder = logProb, times, rng, signal, onExamples }: EstimateBoundOptions<D>,
): Promise<BoundEstimate> {
  const { forward } = reverse;
  const steps = stepsOf(reverse);
  if (!Number.isInteger(times) || times < Math.min(2, steps)) {
    throw new RangeError(
      `times is ${times}, expected a whole number of at least 2: one is always that of the decoder`,
    );
  }
  const probabilities = inclusion(forward.schedule, steps, times);
  const sums = new Float64Array(steps);
  const squares = new Float64Array(steps);
  const counts = new Uint32Array(steps);
  const totals: number[] = [];
  let prior = 0;
  let reconstruction = 0;

  for await (const { x0, condition } of batches) {
    const first = totals.length;
    const rows = x0.shape[0]!;
    const source = rng.fork('noise').rows(first);
    const offsets = rng.fork('offset').rows(first).doubles(rows);
    const chosen = Array.from(offsets, (u) => systematic(probabilities, u));
    const most = chosen.reduce((most, own) => Math.max(most, own.length), 0);
    const bound = [...(await readAndDispose(priorBits(forward, x0)))];
    prior += bound.reduce((sum, bits) => sum + bits, 0);

    for (let k = 0; k < most; k++) {
      signal?.throwIfAborted();
      await nextTask();
      // An example that has one time less than others (the sum of π_t rounds) is evaluated again and not counted.
      const t = Float64Array.from(chosen, (own) => own[k] ?? 0);
      const noise = forward.noise(source, x0.shape);
      try {
        const { bits, squaredError } = await readBoundTerm(reverse, x0, t, noise, decoder, condition);
        bits.forEach((value, i) => {
          if (k >= chosen[i]!.length) return;
          bound[i]! += value / probabilities[t[i]!]!;
          sums[t[i]!]! += value;
          squares[t[i]!]! += squaredError[i]!;
          counts[t[i]!]! += 1;
          if (t[i] === 0) reconstruction += value;
        });
      } finally {
        noise.dispose();
      }
      onExamples?.(first + (rows * (k + 1)) / most);
    }
    totals.push(...bound);
  }

  const images = totals.length;
  const mean = totals.reduce((sum, bits) => sum + bits, 0) / images;
  const variance = totals.reduce((sum, bits) => sum + (bits - mean) ** 2, 0) / Math.max(1, images - 1);
  return {
    images,
    bitsPerDim: mean,
    standardError: Math.sqrt(variance / images),
    prior: prior / images,
    transitions: mean - (prior + reconstruction) / images,
    reconstruction: reconstruction / images,
    terms: [...counts].flatMap((count, t) =>
      count > 0 ? [{ t, bitsPerDim: sums[t]! / count, x0Error: Math.sqrt(squares[t]! / count) }] : [],
    ),
  };
}
