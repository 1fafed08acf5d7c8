import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import { atOnce, type ReverseProcess } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';
import { boundTerm } from './bound-term.js';
import { type Decoder, logProb } from './decoder.js';
import type { Loss } from './loss.js';

/** How the data are read off in the last step of the bound. */
export interface VariationalBoundOptions<D extends Distribution = Gaussian> {
  /** How L_0 reads −ln p(x_0 | x_1) off the last step. Default `logProb`, a density where the data are continuous; for images `tanhDecoder` or `erfDecoder`. */
  readonly decoder?: Decoder<D>;
}

/**
 * One term of the variational bound (Ho et al. 2020, eq. 5) at each example's time, in **bits per dimension**:
 * L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), and at index 0 L_0 = −log₂ p_θ(x_0 | x_1). With t uniform,
 * `steps` times the expectation, plus L_T, is the bound. Any process with such conditionals has one.
 * @throws RangeError where the schedule has no steps; TypeError if the network answers with a promise.
 * @example
 * const loss = variationalBound({ decoder: tanhDecoder }); // of images; of points leave the decoder out
 * const { perExample } = loss({ reverse, x0, t, noise }); // bits per dimension, [batch]
 */
export function variationalBound<D extends Distribution = Gaussian>({
  decoder = logProb,
}: VariationalBoundOptions<D> = {}): Loss<ReverseProcess<D>> {
  return ({ reverse, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const evaluation = atOnce(reverse.evaluate(xt, t, condition));
      return { perExample: boundTerm(reverse.forward, evaluation, x0, xt, t, decoder) };
    });
}
