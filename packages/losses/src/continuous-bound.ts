import { type Distribution, type Gaussian, gaussian } from '@diffusion-ts/forward-process';
import { asConstant, atOnce } from '@diffusion-ts/reverse-process';
import type { Denoiser, Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Decoder } from './decoder.js';
import { logProb } from './decoder.js';
import { type Gamma, gammaAt } from './gamma.js';
import type { Loss } from './loss.js';
import { meanPerExample } from './mean-per-example.js';

/** What `continuousBound` is computed on: a network that is told γ and predicts ε, and the γ that may be learned with it. */
export interface VariationalDiffusion {
  /** The network: of z_t `[batch, …]` and γ(t) `[batch]`, what it says of ε, of the shape of z_t. */
  readonly denoiser: Denoiser;
  /** The noise schedule. */
  readonly gamma: Gamma;
  /** Those of γ at least; the tree that the gradient is taken for. */
  readonly params: Params;
}

/** How the bound is read. */
export interface ContinuousBoundOptions {
  /** How −ln p(x_0 | z_0) is read off N(z_0/α_0, σ_0²/α_0²); default `logProb`, a density. For images `erfDecoder`. */
  readonly decoder?: Decoder<Gaussian>;
  /** T of a bound of finitely many steps, evaluated at t rounded up to a multiple of 1/T; without it T → ∞. */
  readonly steps?: number;
}

/**
 * The bound of variational diffusion models (Kingma et al. 2021, eq. 11) in **bits per dimension**, one draw of t ∈ (0, 1]
 * for each example, as the sum of its labelled terms:
 *
 * - `prior`: KL(q(z_1 | x_0) ‖ N(0, I));
 * - `reconstruction`: −log₂ p(x_0 | z_0);
 * - `diffusion`: ½ γ'(t) ‖ε − ε̂(z_t, γ(t))‖² (eq. 17), or of T steps ½ T (e^(γ(t) − γ(s)) − 1) ‖ε − ε̂‖² with s = t − 1/T
 *   (eq. 14): their mean over uniform t is the term of the bound. Take `stratifiedTimes`, antithetic (appendix I.1).
 *
 * The gradient is that of the bound for the network and the ends of γ; for a learned shape of γ between them, on which the
 * bound does not depend, that of the variance of its estimate, E[2 L ∇L] of the diffusion term (appendix I.2), at the price
 * of a second evaluation without gradient.
 * @throws RangeError if `steps` is not a whole number from 1 on; TypeError if the network answers with a promise.
 */
export function continuousBound({
  decoder = logProb,
  steps,
}: ContinuousBoundOptions = {}): Loss<VariationalDiffusion> {
  if (steps !== undefined && !(Number.isInteger(steps) && steps >= 1)) {
    throw new RangeError(`steps must be a whole number from 1 on, not ${steps}`);
  }
  return ({ reverse: { denoiser, gamma, params }, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const batch = x0.shape[0]!;
      const drawn = Array.from({ length: batch }, (_, i) => (typeof t === 'number' ? t : t[i]!));
      const at = steps === undefined ? drawn : drawn.map((u) => Math.ceil(u * steps) / steps);
      const times = tf.tensor1d(at);
      const before = steps === undefined ? undefined : tf.tensor1d(at.map((u) => u - 1 / steps));

      /** The diffusion term, of shapes of γ at t and, of a finite number of steps, at s. */
      const diffusion = (shape: tf.Tensor2D): tf.Tensor1D => {
        const [value, slope, earlier] = tf.unstack(shape, 1) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
        const { gamma: own, slope: rate } = gammaAt(gamma, params, times, { value, slope });
        const predicted = atOnce(denoiser(noised(x0, noise, own), own, condition));
        const growth = before
          ? tf.mul(rise(tf.sub(own, gammaAt(gamma, params, before, { value: earlier, slope }).gamma)), steps!)
          : rate;
        const error = meanPerExample(tf.squaredDifference(noise, predicted));
        return tf.mul(tf.mul(growth, error), 0.5 / Math.LN2);
      };

      const { value, slope } = gamma.shape(params, times);
      const shape = tf.stack(
        [value, slope, before ? gamma.shape(params, before).value : value],
        1,
      ) as tf.Tensor2D;
      const of = diffusion(gamma.learnsShape ? towardsLessVariance(shape, diffusion) : shape);
      const { min, max } = gamma.ends(params);
      const reconstruction = bits(tf.neg(decoder(firstPosterior(x0, noise, min), x0)));
      const prior = priorTerm(x0, max);
      const perExample = tf.add(tf.add(of, reconstruction), prior) as tf.Tensor1D;
      return { perExample, prior, reconstruction, diffusion: of };
    });
}

/** z = α x_0 + σ ε, α² = sigmoid(−γ) and σ² = sigmoid(γ), of one γ or one for each example. */
function noised(x0: tf.Tensor, noise: tf.Tensor, gamma: tf.Tensor): tf.Tensor {
  const column = tf.reshape(gamma, [-1, ...new Array<number>(x0.rank - 1).fill(1)]);
  const root = (g: tf.Tensor): tf.Tensor => tf.sqrt(tf.sigmoid(g));
  return tf.add(tf.mul(root(tf.neg(column)), x0), tf.mul(root(column), noise));
}

/** p(x_0 | z_0) = N(z_0/α_0, σ_0²/α_0² = e^γ), of z_0/α_0 = x_0 + e^(γ/2) ε. */
function firstPosterior(x0: tf.Tensor, noise: tf.Tensor, gamma: tf.Tensor): Gaussian & Distribution {
  const mean = tf.add(x0, tf.mul(tf.exp(tf.mul(gamma, 0.5)), noise));
  return gaussian({ mean, logVariance: tf.mul(gamma, tf.onesLike(mean)) });
}

/** KL(N(α x_0, σ²) ‖ N(0, 1)) = ½ (α² x_0² + σ² − 1 − ln σ²), where σ² − 1 = −α². */
function priorTerm(x0: tf.Tensor, gamma: tf.Tensor): tf.Tensor1D {
  const signal = tf.sigmoid(tf.neg(gamma));
  const ofVariance = tf.sub(tf.softplus(tf.neg(gamma)), signal);
  return bits(tf.mul(tf.add(tf.mul(signal, tf.square(x0)), ofVariance), 0.5));
}

/** e^d − 1 of d ≥ 0, by its series where it is small: what some backends call expm1 is the difference. */
function rise(d: tf.Tensor): tf.Tensor1D {
  const small = tf.minimum(d, 0.5);
  let series: tf.Tensor = tf.onesLike(small);
  for (let n = 8; n >= 2; n--) series = tf.add(tf.mul(series, tf.mul(small, 1 / n)), 1);
  // e^d − 1 = (e^small − 1) e^beyond + (e^beyond − 1), the latter 0 where d is small.
  const beyond = tf.exp(tf.sub(d, small));
  return tf.add(tf.mul(tf.mul(small, series), beyond), tf.sub(beyond, 1)) as tf.Tensor1D;
}

/** The same shape of γ, whose gradient is that of each example's squared term in place of the term's. */
function towardsLessVariance(shape: tf.Tensor2D, term: (shape: tf.Tensor2D) => tf.Tensor1D): tf.Tensor2D {
  // Within a custom gradient nothing is recorded, and nothing flows back: the network is run again, not differentiated.
  const twice = tf.customGrad((own) => ({
    value: tf.expandDims(tf.mul(term(own as tf.Tensor2D), 2), 1),
    gradFunc: () => tf.zeros(shape.shape),
  }))(shape);
  const fixed = asConstant(shape);
  return tf.add(tf.mul(tf.sub(shape, fixed), twice), fixed);
}

/** Nats of every element as the mean bits of each example. */
function bits(nats: tf.Tensor): tf.Tensor1D {
  return tf.div(meanPerExample(nats), Math.LN2);
}
