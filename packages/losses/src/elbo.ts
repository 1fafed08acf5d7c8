import type { Distribution } from '@diffusion-ts/forward-process';
import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Decoder, logProb } from './decoder.js';
import type { LatentVariableModel } from './latent-variable-model.js';

/** How the bound of a latent-variable model is read. */
export interface ElboOptions {
  /** How the data are read off p(x | z_1); default `logProb`, for images `tanhDecoder` or `erfDecoder`. */
  // biome-ignore lint/suspicious/noExplicitAny: which distribution the last layer decodes to is the model's own affair.
  readonly decoder?: Decoder<any>;
}

/** The negative evidence lower bound of each example in bits per dimension of the data: its parts and their sum, `[batch]`. */
export type NegativeElbo = {
  /** The sum of the three, an upper bound of −log₂ p(x) in expectation. */
  readonly perExample: tf.Tensor1D;
  /** −log₂ p(x | z_1): the distortion. */
  readonly reconstruction: tf.Tensor1D;
  /** log₂ q(z_l | z_{l−1}) − log₂ p(z_l | z_{l+1}), summed over the layers below the highest; 0 where there is but one. */
  readonly transitions: tf.Tensor1D;
  /** KL(q(z_L | z_{L−1}) ‖ p(z_L)). */
  readonly prior: tf.Tensor1D;
};

/**
 * −ELBO = E_q[−log p(x | z)] + KL(q(z | x) ‖ p(z)) (Kingma and Welling 2014, eq. 3), by one sample of every layer of
 * latents drawn with `rng`; with several layers, Ho et al. 2020, eq. 3. A VAE and a diffusion model are measured by this
 * one function.
 * @throws RangeError if the model has no layer of latents.
 */
export function negativeElbo(
  model: LatentVariableModel,
  x: tf.Tensor,
  rng: Rng,
  { decoder = logProb }: ElboOptions = {},
): NegativeElbo {
  return tf.tidy(() => {
    const { reconstruction, transitions, top } = climb(model, x, rng, decoder);
    const prior = nats(top.q.kl(model.prior(top.z.shape)));
    return inBits(x, {
      perExample: tf.add(tf.add(reconstruction, transitions), prior),
      reconstruction,
      transitions,
      prior,
    });
  });
}

/**
 * The importance-weighted bound −E log (1/K) Σ_k p(x, z_k)/q(z_k | x) (Burda et al. 2016, eq. 8) of each example, `[batch]`,
 * in bits per dimension: an upper bound of −log₂ p(x) that falls as K grows, and with K = 1 is −ELBO.
 * @throws RangeError if `samples` is not a whole number from 1 on, or the model has no layer of latents.
 */
export function importanceWeightedBound(
  model: LatentVariableModel,
  x: tf.Tensor,
  rng: Rng,
  {
    samples,
    decoder = logProb,
  }: ElboOptions & {
    /** K, the draws of the latents: a whole number from 1 on. */
    readonly samples: number;
  },
): tf.Tensor1D {
  if (!Number.isSafeInteger(samples) || samples < 1) {
    throw new RangeError(`samples must be a whole number from 1 on, not ${samples}`);
  }
  return tf.tidy(() => {
    const logWeights = Array.from({ length: samples }, (_, k) =>
      tf.tidy(() => {
        const { reconstruction, transitions, top } = climb(model, x, rng.fork(k), decoder);
        const above = nats(tf.sub(top.q.logProb(top.z), model.prior(top.z.shape).logProb(top.z)));
        return tf.neg(tf.add(tf.add(reconstruction, transitions), above)) as tf.Tensor1D;
      }),
    );
    const bound = tf.sub(Math.log(samples), tf.logSumExp(tf.stack(logWeights), 0)) as tf.Tensor1D;
    return inBits(x, { bound }).bound;
  });
}

interface Climbed {
  /** −ln p(x | z_1). */
  readonly reconstruction: tf.Tensor1D;
  /** Σ ln q(z_l | z_{l−1}) − ln p(z_l | z_{l+1}) below the highest layer. */
  readonly transitions: tf.Tensor1D;
  readonly top: { readonly q: Distribution; readonly z: tf.Tensor };
}

/** From the data up through the layers, a sample of each, in nats. */
function climb(
  { layers }: LatentVariableModel,
  x: tf.Tensor,
  rng: Rng,
  decoder: Decoder<Distribution>,
): Climbed {
  const [first, ...higher] = layers;
  if (first === undefined) throw new RangeError('the model must have at least one layer of latents');
  let q = first.encode(x);
  let z = q.sample(rng.fork(1));
  const reconstruction = nats(tf.neg(decoder(first.decode(z), x)));
  let transitions: tf.Tensor1D = tf.zerosLike(reconstruction);
  higher.forEach(({ encode, decode }, i) => {
    const above = encode(z);
    const sample = above.sample(rng.fork(i + 2));
    transitions = tf.add(transitions, nats(tf.sub(q.logProb(z), decode(sample).logProb(z))));
    [q, z] = [above, sample];
  });
  return { reconstruction, transitions, top: { q, z } };
}

/** The sum over everything but the batch. */
function nats(perElement: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => tf.sum(tf.reshape(perElement, [perElement.shape[0]!, -1]), 1));
}

/** Nats of whole examples as bits per dimension of the data. */
function inBits<K extends string>(
  x: tf.Tensor,
  parts: Readonly<Record<K, tf.Tensor1D>>,
): Record<K, tf.Tensor1D> {
  const dimensions = x.size / x.shape[0]!;
  const entries = Object.entries<tf.Tensor1D>(parts);
  return Object.fromEntries(
    entries.map(([name, part]) => [name, tf.div(part, dimensions * Math.LN2)]),
  ) as Record<K, tf.Tensor1D>;
}
