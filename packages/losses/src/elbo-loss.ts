import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import { atOnce, type ReverseProcess } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';
import { boundTerm, priorBits } from './bound-term.js';
import { logProb } from './decoder.js';
import type { Loss } from './loss.js';
import type { VariationalBoundOptions } from './variational-bound.js';

/** How `elboLoss` weighs its parts. */
export interface ElboLossOptions<D extends Distribution = Gaussian> extends VariationalBoundOptions<D> {
  /** Weight of L_T (Higgins et al. 2017); default 1, which is the bound. */
  readonly beta?: number;
}

/**
 * −ELBO in bits per dimension, for a process whose way to the noise is learned too, such as a `variationalAutoencoder`:
 * β L_T + steps · L_t, which is the whole bound with t uniform (Kingma and Welling 2014, eq. 3; of a single step, the
 * reconstruction and the KL). The parts are returned as `rate` (L_T) and `distortion`.
 * @throws RangeError if beta is negative or not finite; where the schedule has no steps; TypeError if the network
 * answers with a promise.
 */
export function elboLoss<D extends Distribution = Gaussian>({
  beta = 1,
  decoder = logProb,
}: ElboLossOptions<D> = {}): Loss<ReverseProcess<D>> {
  if (!(beta >= 0 && beta < Infinity))
    throw new RangeError(`beta must be a finite number from 0 up, not ${beta}`);
  return ({ reverse, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const { forward } = reverse;
      const xt = forward.sample(x0, t, noise);
      const term = boundTerm(forward, atOnce(reverse.evaluate(xt, t, condition)), x0, xt, t, decoder);
      const rate = priorBits(forward, x0);
      const distortion: tf.Tensor1D = tf.mul(term, forward.schedule.steps!);
      return { perExample: tf.add(distortion, tf.mul(rate, beta)), rate, distortion };
    });
}
