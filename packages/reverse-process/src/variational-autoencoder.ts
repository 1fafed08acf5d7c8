import {
  checkShape,
  type Distribution,
  type Gaussian,
  gaussian,
  logVarianceTensor,
} from '@diffusion-ts/forward-process';
import { constantFraction } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ReverseProcess } from './reverse-process.js';

/** What a variational autoencoder is made of: two functions, as of an `autoencoderKl` with its weights. */
export interface VariationalAutoencoderOptions<D extends Distribution = Gaussian> {
  /** x `[batch, …]` to q(z | x), of shape `[batch, …latentShape]`. */
  readonly encode: (x: tf.Tensor) => Gaussian;
  /** z `[batch, …latentShape]` to p(x | z), of the shape of x. */
  readonly decode: (z: tf.Tensor) => D;
  /** Of the latents of one example. */
  readonly latentShape: readonly number[];
}

// A density to be learned from must not become a point, nor a network's first guess overflow.
const [LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE] = [-14, 14];

/**
 * A variational autoencoder (Kingma and Welling 2014) as a process of a single step, whose encoder is learned where that of
 * diffusion is fixed: q(x_1 | x_0) is q(z | x), a draw of it the reparameterisation μ + σ ε, its prior N(0, I), and the one
 * step back p(x | z). So the bound, its estimate and ancestral sampling of diffusion are those of a VAE: L_T is
 * KL(q(z | x) ‖ p(z)), L_0 is −log p(x | z), and there is nothing in between.
 *
 * What `encode` and `decode` return and the process hands on belongs to the caller, who asks within a `tf.tidy`.
 * @throws (its methods) RangeError if the noise is not of the shape of the latents, or a posterior is asked for: a process of
 * one step has none.
 */
export function variationalAutoencoder<D extends Distribution = Gaussian>({
  encode,
  decode,
  latentShape,
}: VariationalAutoencoderOptions<D>): ReverseProcess<D> {
  const latents = ([batch]: readonly number[]): number[] => [batch!, ...latentShape];
  // The encoder's distributions are Gaussian whatever the decoder's: nothing compares the two.
  const asD = (q: Gaussian): D => q as Distribution as D;
  return {
    forward: {
      schedule: ONE_STEP,
      noise: (rng: Rng, shape) => rng.normal(latents(shape)),
      sample: (x, _, noise) =>
        tf.tidy(() => {
          const q = encode(x);
          checkShape('noise', noise, 'the latents', q.mean);
          return tf.add(q.mean, tf.mul(tf.exp(tf.mul(logVarianceTensor(q), 0.5)), noise));
        }),
      marginal: (x) => asD(encode(x)),
      posterior() {
        throw new RangeError(
          'an autoencoder has a single step, and so nothing between its latents and the data',
        );
      },
      prior: (shape) => asD(gaussian({ mean: tf.zeros(latents(shape)), logVariance: 0 })),
    },
    evaluate(z) {
      const p = tf.tidy(() => decode(z) as D & tf.NamedTensorMap);
      return { x0: () => p.mode(), to: () => p, dispose: () => tf.dispose(p as tf.TensorContainer) };
    },
  };
}

const ONE_STEP = constantFraction({ steps: 1 });

/** A Gaussian from a network that says mean and ln σ² side by side in the last axis; ln σ² is kept in [−14, 14]. */
export function gaussianOfMoments(moments: tf.Tensor): Gaussian {
  return tf.tidy(() => {
    const [mean, log] = tf.split(moments, 2, -1) as [tf.Tensor, tf.Tensor];
    const logVariance = tf.clipByValue(log, LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE);
    return gaussian({ mean, logVariance }) as Gaussian & tf.NamedTensorMap;
  });
}
