import { atOnce, type GaussianEvaluation } from '@diffusion-ts/reverse-process';
import { mapExamples, perExampleTensor } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Loss, LossContext } from './loss.js';
import { meanPerExample } from './mean-per-example.js';
import { l2, type Norm } from './norm.js';
import { unweighted, type Weighting } from './weighting.js';

/** How an error is measured, and what each noise level weighs. */
export interface SimpleOptions {
  /** Default `l2`. */
  readonly norm?: Norm;
  /** Default `unweighted`. */
  readonly weighting?: Weighting;
}

/**
 * L_simple (Ho et al. 2020, eq. 14), for whatever the network predicts: the error of its prediction, averaged over the
 * components of an example, times the weight of the time. For ε, the mean of (ε − ε_θ(x_t, t))².
 * @throws RangeError where the weighting is 0 at a level of no signal, which would then never be trained; TypeError if
 * the network answers with a promise.
 * @example
 * const loss = simple({ weighting: minSnr(5) });
 * const { perExample } = loss({ reverse, x0, t, noise: reverse.forward.noise(rng(0), x0.shape) });
 */
export function simple({ norm = l2, weighting = unweighted }: SimpleOptions = {}): Loss {
  return (context) =>
    tf.tidy(() => {
      const { reverse, x0, t, noise, condition } = context;
      const xt = reverse.forward.sample(x0, t, noise);
      const evaluation = atOnce(reverse.evaluate(xt, t, condition));
      return { perExample: predictionError(context, evaluation, norm, weighting) };
    });
}

/** Every sampler begins with that level, so what is said of it must be learned. */
function neverTrained(t: number): string {
  return `the weighting is 0 at t = ${t}, where no signal is left, so that the first step of every sampler would never be trained: take one that weighs it, such as maxSnrOne or snrPlusOne`;
}

/** The weighted error of a prediction, `[batch]`. */
export function predictionError(
  { reverse, x0, t, noise }: LossContext,
  { prediction }: GaussianEvaluation,
  norm: Norm,
  weighting: Weighting,
): tf.Tensor1D {
  const { schedule } = reverse.forward;
  const weights = mapExamples(t, (time) => {
    const level = schedule.level(time);
    const weight = weighting(level, reverse.predicts.at(level, schedule));
    if (level.alpha === 0 && weight === 0) throw new RangeError(neverTrained(time));
    return weight;
  });
  return tf.tidy(() => {
    const error = meanPerExample(norm(tf.sub(prediction, reverse.target(x0, t, noise))));
    return tf.mul(error, perExampleTensor(weights, error.size));
  });
}
