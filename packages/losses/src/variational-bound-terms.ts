import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { type Condition, nextTask, type Rng } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { priorBits } from './bound-term.js';
import { logProb } from './decoder.js';
import { readAndDispose, readBoundTerm } from './read-bits.js';
import type { VariationalBoundOptions } from './variational-bound.js';

/** The bound of each example, term by term, in bits per dimension; every array is `[batch]`. */
export interface BoundTerms {
  /** L_T = KL(q(x_T | x_0) ‖ p(x_T)). */
  readonly prior: Float32Array;
  /** L_{t−1} for index t = 1 … steps − 1, at entry t − 1. */
  readonly transitions: readonly Float32Array[];
  /** L_0 = −log₂ p_θ(x_0 | x_1), index 0. */
  readonly reconstruction: Float32Array;
  /** The sum of all of them: an estimate, by one draw of x_t for each term, of an upper bound of −log₂ p_θ(x_0). */
  readonly bitsPerDim: Float64Array;
}

/** How the terms of the bound are read, and who watches. */
export interface BoundTermsOptions<D extends Distribution = Gaussian> extends VariationalBoundOptions<D> {
  /** What the network is told of each example. */
  readonly condition?: Condition;
  /** Checked before every term. */
  readonly signal?: AbortSignal;
  /**
   * Called after each timestep's term, from the last index down to 0, with the bits of each example, `[batch]`; `done` of
   * `total` terms are finished.
   */
  readonly onTerm?: (term: { t: number; bits: Float32Array; done: number; total: number }) => void;
}

/**
 * The variational bound on −log₂ p_θ(x_0) (Ho et al. 2020, eq. 5) of each example of `x0` `[batch, …]`, term by term, in
 * bits per dimension. Each of the `steps` terms is estimated with one x_t, made with `rng.fork(t)`: an example's terms
 * do not depend on the others in its batch.
 * @throws RangeError where the schedule has no steps; the signal's reason once it is aborted.
 */
export async function variationalBoundTerms<D extends Distribution = Gaussian>(
  reverse: ReverseProcess<D>,
  x0: tf.Tensor,
  rng: Rng,
  { decoder = logProb, condition, signal, onTerm }: BoundTermsOptions<D> = {},
): Promise<BoundTerms> {
  const { forward } = reverse;
  const steps = stepsOf(reverse);
  signal?.throwIfAborted();
  const prior = await readAndDispose(priorBits(forward, x0));
  const terms: Float32Array[] = [];
  for (let t = steps - 1; t >= 0; t--) {
    signal?.throwIfAborted();
    const noise = forward.noise(rng.fork(t), x0.shape);
    try {
      terms[t] = (await readBoundTerm(reverse, x0, t, noise, decoder, condition)).bits;
    } finally {
      noise.dispose();
    }
    onTerm?.({ t, bits: terms[t]!, done: steps - t, total: steps });
    await nextTask();
  }
  const [reconstruction, ...transitions] = terms;
  const bitsPerDim = Float64Array.from(prior, (bits, i) => terms.reduce((sum, term) => sum + term[i]!, bits));
  return { prior, transitions, reconstruction: reconstruction!, bitsPerDim };
}

/** @throws RangeError where the schedule has none. */
export function stepsOf<D extends Distribution>({ forward: { schedule } }: ReverseProcess<D>): number {
  if (schedule.steps !== undefined) return schedule.steps;
  throw new RangeError(
    'the bound is a sum over the steps of a schedule, and one of continuous time has none',
  );
}
