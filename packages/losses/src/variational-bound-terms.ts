import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { type Condition, nextTask, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Decoder } from './decoder.js';
import { klBits, reconstructionBits, type VariationalBoundOptions } from './variational-bound.js';

/** The bound of each example, term by term, in bits per dimension; every array is `[batch]`. */
export interface BoundTerms {
  /** L_T = KL(q(x_T | x_0) ‖ N(0, I)). */
  readonly prior: Float32Array;
  /** L_{t−1} for index t = 1 … steps − 1, at entry t − 1. */
  readonly transitions: readonly Float32Array[];
  /** L_0 = −log₂ p_θ(x_0 | x_1), index 0. */
  readonly reconstruction: Float32Array;
  /** The sum of all of them: an upper bound of −log₂ p_θ(x_0). */
  readonly bitsPerDim: Float64Array;
}

export interface BoundTermsOptions extends VariationalBoundOptions {
  readonly condition?: Condition;
  /** Checked before every term. */
  readonly signal?: AbortSignal;
  /** Called after each timestep's term, from the last index down to 0; `done` of `total` are finished. */
  readonly onTerm?: (term: { t: number; bits: Float32Array; done: number; total: number }) => void;
}

/**
 * The variational bound on −log₂ p_θ(x_0) (Ho et al. 2020, eq. 5) of each example of `x0` `[batch, …]`, term by term, in
 * bits per dimension. Each of the `steps` terms is estimated with one x_t, made with `rng.fork(t)`: an example's terms
 * do not depend on the others in its batch.
 * @throws the signal's reason once it is aborted.
 */
export async function variationalBoundTerms(
  reverse: ReverseProcess,
  x0: tf.Tensor,
  rng: Rng,
  { decoder = 'tanh', condition, signal, onTerm }: BoundTermsOptions = {},
): Promise<BoundTerms> {
  const { steps } = reverse.forward.schedule;
  const read = async (bits: tf.Tensor1D): Promise<Float32Array> => {
    try {
      return await bits.data<'float32'>();
    } finally {
      bits.dispose();
    }
  };

  signal?.throwIfAborted();
  const prior = await read(priorBits(reverse, x0));
  const terms: Float32Array[] = [];
  for (let t = steps - 1; t >= 0; t--) {
    signal?.throwIfAborted();
    const bits = await read(termBits(reverse, x0, t, rng, condition, decoder));
    terms[t] = bits;
    onTerm?.({ t, bits, done: steps - t, total: steps });
    await nextTask();
  }
  const [reconstruction, ...transitions] = terms;
  const bitsPerDim = Float64Array.from(prior, (bits, i) => terms.reduce((sum, term) => sum + term[i]!, bits));
  return { prior, transitions, reconstruction: reconstruction!, bitsPerDim };
}

function priorBits(reverse: ReverseProcess, x0: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => klBits(reverse.forward.prior(x0), { mean: tf.scalar(0), logVariance: tf.scalar(0) }));
}

function termBits(
  reverse: ReverseProcess,
  x0: tf.Tensor,
  index: number,
  rng: Rng,
  condition: Condition | undefined,
  decoder: Decoder,
): tf.Tensor1D {
  return tf.tidy(() => {
    const t = tf.fill([x0.shape[0]!], index, 'int32') as tf.Tensor1D;
    const xt = reverse.forward.sample(x0, t, rng.fork(index).normal(x0.shape));
    const p = reverse.transition(xt, t, condition);
    return index === 0 ? reconstructionBits(decoder, x0, p) : klBits(reverse.forward.posterior(x0, xt, t), p);
  });
}
