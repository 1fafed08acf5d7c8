import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * ln p_θ(x_0 | x_1) in nats, element by element, from the distribution `p` that the reverse process ends with: the last
 * factor of the bound.
 */
export type Decoder<D extends Distribution = Gaussian> = (p: D, x0: tf.Tensor) => tf.Tensor;

/** What the distribution itself says: a density where x_0 is continuous. */
export const logProb: Decoder<Distribution> = (p, x0) => p.logProb(x0);
