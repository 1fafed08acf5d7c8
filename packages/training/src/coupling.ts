import type { Condition } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * Which noise an example is mixed with: of the examples `[batch, …]`, the noise drawn for them, of the same shape, and what the
 * network is told of each, the noise in the order of the examples, a new tensor. Of several workers each couples all rows.
 */
export type Coupling = (x0: Tensor, noise: Tensor, condition?: Condition) => Tensor | Promise<Tensor>;
