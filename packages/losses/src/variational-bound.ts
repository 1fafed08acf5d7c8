import type { Gaussian } from '@diffusion-ts/forward-process';
import type { NetworkOutput, ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Condition } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Decoder, decoderLogLikelihood } from './decoder.js';
import { gaussianKl } from './gaussian-kl.js';
import type { Loss } from './loss.js';
import { meanPerExample } from './mean-per-example.js';

export interface VariationalBoundOptions {
  /** Default `tanh`. */
  readonly decoder?: Decoder;
}

/**
 * One term of the variational bound (Ho et al. 2020, eq. 5) at each example's timestep, in **bits per dimension**:
 * L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), and at index 0 L_0 = −log₂ p_θ(x_0 | x_1). With t uniform,
 * `steps` times the expectation, plus L_T, is the bound.
 */
export function variationalBound({ decoder = 'tanh' }: VariationalBoundOptions = {}): Loss {
  return (reverse, x0, t, noise, condition) =>
    tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const output = reverse.network(xt, t, condition);
      return { perExample: boundTerm(reverse, x0, xt, t, condition, output, decoder) };
    });
}

/** The term of the bound at each example's timestep, `[batch]`, in bits per dimension. */
export function boundTerm(
  reverse: ReverseProcess,
  x0: tf.Tensor,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  condition: Condition | undefined,
  output: NetworkOutput,
  decoder: Decoder,
): tf.Tensor1D {
  return tf.tidy(() => {
    const q = reverse.forward.posterior(x0, xt, t);
    const p = reverse.transition(xt, t, condition, output);
    const last = tf.equal(t, tf.scalar(0, 'int32'));
    const lastStep = tf.reshape(last, [t.shape[0], ...new Array<number>(x0.rank - 1).fill(1)]);
    // Both branches are computed for every example. The decoder allows variances whose inverse overflows in the KL, and
    // that infinity would come back as 0 · ∞ in the gradient.
    const logVariance = tf.where(lastStep, q.logVariance, p.logVariance);
    const kl = klBits(q, { mean: p.mean, logVariance });
    const reconstruction = reconstructionBits(decoder, x0, p);
    return tf.where(last, reconstruction, kl);
  });
}

type MeanAndLogVariance = Pick<Gaussian, 'mean' | 'logVariance'>;

/** KL(q ‖ p), `[batch]`, in bits per dimension. */
export function klBits(q: MeanAndLogVariance, p: MeanAndLogVariance): tf.Tensor1D {
  return tf.tidy(() => tf.div(meanPerExample(gaussianKl(q, p)), Math.LN2));
}

/** −log₂ p(x_0), `[batch]`, in bits per dimension. */
export function reconstructionBits(decoder: Decoder, x0: tf.Tensor, p: MeanAndLogVariance): tf.Tensor1D {
  return tf.tidy(() => tf.div(meanPerExample(decoderLogLikelihood(decoder, x0, p)), -Math.LN2));
}
