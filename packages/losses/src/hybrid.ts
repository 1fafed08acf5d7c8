import { atOnce } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';
import { boundTerm } from './bound-term.js';
import { logProb } from './decoder.js';
import type { Loss } from './loss.js';
import { l2 } from './norm.js';
import { predictionError, type SimpleOptions } from './simple.js';
import type { VariationalBoundOptions } from './variational-bound.js';
import { unweighted } from './weighting.js';

/** The options of both parts, and the weight between them. */
export interface HybridOptions extends SimpleOptions, VariationalBoundOptions {
  /** The weight λ of the bound; default 0.001. */
  readonly lambda?: number;
}

/**
 * L_hybrid = L_simple + λ L_vlb (Nichol and Dhariwal 2021, eq. 16), for a learned variance. L_vlb is estimated by `steps`
 * times the bound's term at t, in bits per dimension, so at 1000 steps and λ = 0.001 the two are simply added. The bound
 * sees the prediction as a constant: it teaches the variance alone. The parts are returned as `simple` and `bound`
 * (one term, bits per dimension).
 * @throws RangeError where the variance is fixed or the schedule has no steps; TypeError if the network answers with a promise.
 * @example
 * const loss = hybrid({ decoder: tanhDecoder }); // for a process of images with `variance: learnedRange`
 * const { perExample, simple, bound } = loss({ reverse, x0, t, noise });
 */
export function hybrid({
  lambda = 0.001,
  norm = l2,
  weighting = unweighted,
  decoder = logProb,
}: HybridOptions = {}): Loss {
  return (context) => {
    const { reverse, x0, t, noise, condition } = context;
    if (!reverse.variance.learned) {
      throw new RangeError(
        `the hybrid loss teaches the variance, which must be learnedVariance or learnedRange, not ${reverse.variance.name}`,
      );
    }
    return tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const evaluation = atOnce(reverse.evaluate(xt, t, condition));
      const simple = predictionError(context, evaluation, norm, weighting);
      const constant = evaluation.withConstantPrediction();
      const bound = boundTerm(reverse.forward, constant, x0, xt, t, decoder);
      return {
        perExample: tf.add(simple, tf.mul(bound, lambda * reverse.forward.schedule.steps!)),
        simple,
        bound,
      };
    });
  };
}
