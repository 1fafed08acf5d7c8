import type { NetworkOutput } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from './loss.js';
import { predictionError, type SimpleOptions } from './simple.js';
import { stopGradient } from './stop-gradient.js';
import { boundTerm, type VariationalBoundOptions } from './variational-bound.js';
import { uniform } from './weighting.js';

export interface HybridOptions extends SimpleOptions, VariationalBoundOptions {
  /** The weight λ of the bound; default 0.001. */
  readonly lambda?: number;
}

/**
 * L_hybrid = L_simple + λ L_vlb (Nichol and Dhariwal 2021, eq. 16), for a learned variance. L_vlb is estimated by `steps`
 * times the bound's term at t, in bits per dimension, so at 1000 steps and λ = 0.001 the two are simply added. The bound
 * sees the prediction as a constant: it teaches the variance alone. The parts are returned as `simple` and `bound`
 * (one term, bits per dimension).
 * @throws RangeError where the variance is fixed.
 */
export function hybrid({
  lambda = 0.001,
  norm = 'l2',
  weighting = uniform,
  decoder = 'tanh',
}: HybridOptions = {}): Loss {
  return (reverse, x0, t, noise, condition) => {
    if (reverse.variance === 'fixedSmall' || reverse.variance === 'fixedLarge') {
      throw new RangeError(
        `the hybrid loss teaches the variance, which must be 'learned' or 'learnedRange', not '${reverse.variance}'`,
      );
    }
    return tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const output = reverse.network(xt, t, condition);
      const target = reverse.target(x0, xt, t, noise);
      const simple = predictionError(reverse, output.prediction, target, t, norm, weighting);
      const constantMean: NetworkOutput = { ...output, prediction: stopGradient(output.prediction) };
      const bound = boundTerm(reverse, x0, xt, t, condition, constantMean, decoder);
      return {
        perExample: tf.add(simple, tf.mul(bound, lambda * reverse.forward.schedule.steps)),
        simple,
        bound,
      };
    });
  };
}
