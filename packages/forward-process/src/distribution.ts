import type { Rng } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * What a conditional of a process is: a distribution with independent elements, of the shape of x. Its results are new
 * tensors that belong to the caller; it owns nothing but the tensors that it was made of.
 */
export interface Distribution {
  /**
   * Whether x is one of countably many values. Then `logProb` is of a probability, not a density, and the last step of a
   * sampler is a draw like any other: the noise of a density would stay in the sample, a class has none.
   */
  readonly discrete: boolean;
  /** A draw of every element; row i of the random numbers goes to example i. */
  sample(rng: Rng): Tensor;
  /** The most likely value of every element. */
  mode(): Tensor;
  /** KL(this ‖ p) in nats, element by element. */
  kl(p: this): Tensor;
  /** The logarithm of the probability of `x`, or of its density where x is continuous, in nats, element by element. */
  logProb(x: Tensor): Tensor;
}
