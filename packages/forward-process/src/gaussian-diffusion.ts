import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape } from './check-shape.js';
import { checkTimesteps } from './check-timesteps.js';
import type { ForwardProcess } from './forward-process.js';

/**
 * Gaussian diffusion (Ho et al. 2020, section 2) with the noise schedule given:
 *
 * - `sample`: q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I), eq. 4, as √ᾱ_t x_0 + √(1 − ᾱ_t) noise;
 * - `posterior`: q(x_{t−1} | x_t, x_0) = N(μ̃_t(x_t, x_0), β̃_t I), eq. 6 and 7. At index 0 the variance is 0, and
 *   `logVariance` is ln β̃ of index 1 in its place;
 * - `prior`: q(x_T | x_0), with scalar variance 1 − ᾱ_T.
 *
 * Every result is a new tensor that belongs to the caller.
 * @throws TypeError if `t` is not int32; RangeError if shapes do not fit.
 */
export function gaussianDiffusion(schedule: NoiseSchedule): ForwardProcess {
  const signal = schedule.alphaBars.map(Math.sqrt);
  const sigma = schedule.alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar));
  const lastAlphaBar = schedule.alphaBars[schedule.steps - 1]!;

  return {
    schedule,
    sample(x0, t, noise) {
      checkTimesteps('x0', x0, t);
      checkShape('noise', noise, 'x0', x0);
      return tf.tidy(() =>
        tf.add(tf.mul(lookup(signal, t, x0.rank), x0), tf.mul(lookup(sigma, t, x0.rank), noise)),
      );
    },
    posterior(x0, xt, t) {
      checkTimesteps('x0', x0, t);
      checkShape('xt', xt, 'x0', x0);
      return tf.tidy(() => ({
        mean: tf.add(
          tf.mul(lookup(schedule.posteriorMeanCoefX0, t, x0.rank), x0),
          tf.mul(lookup(schedule.posteriorMeanCoefXt, t, x0.rank), xt),
        ),
        variance: lookup(schedule.posteriorVariance, t, x0.rank),
        logVariance: lookup(schedule.posteriorLogVarianceClipped, t, x0.rank),
      }));
    },
    prior(x0) {
      return {
        mean: tf.mul(x0, Math.sqrt(lastAlphaBar)),
        variance: tf.scalar(1 - lastAlphaBar),
        logVariance: tf.scalar(Math.log1p(-lastAlphaBar)),
      };
    },
  };
}
