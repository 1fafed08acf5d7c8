import type { NoiseSchedule, Respacing } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { respaced } from './respaced.js';
import type { Sampler } from './sampler.js';
import { descending, walk } from './walk.js';

export interface DdimOptions {
  /** Which steps of the schedule to take, as in `respace`; all of them by default. */
  readonly steps?: Respacing;
  /** How much of the ancestral sampler's noise is added: 0 (the default) is deterministic, 1 has the posterior variance. */
  readonly eta?: number;
}

/**
 * Denoising diffusion implicit models, eq. 12 and 16 of Song, Meng & Ermon 2021:
 * x_{t−1} = √ᾱ_{t−1} x̂_0 + √(1 − ᾱ_{t−1} − σ²) ε̂ + σ z with σ² = η² β̃_t. One evaluation of the network a step; with a
 * zero terminal signal-to-noise ratio it needs a network that predicts v or x_0.
 *
 * @throws RangeError if eta is negative or not finite and, when the sampler is called, if the schedule cannot be respaced
 * that way, if the network predicts the previous mean and `steps` are given, or if an eta above 1 asks for more noise than
 * a step has.
 */
export function ddim({ steps, eta = 0 }: DdimOptions = {}): Sampler {
  if (!(eta >= 0 && eta < Infinity))
    throw new RangeError(`eta must be a finite number from 0 up, not ${eta}`);
  return (reverse, xT, { rng, signal, condition }) => {
    const process = respaced(reverse, steps);
    const { schedule } = process.forward;
    const coefficients = Array.from({ length: schedule.steps }, (_, t) => stepCoefficients(schedule, t, eta));
    return walk(xT, descending(schedule.steps), schedule.timesteps, signal, (xt, t, index) => {
      const { x0, epsilon } = process.predict(xt, t, condition);
      const { signal: a, direction, sigma } = coefficients[index]!;
      const mean = tf.add(tf.mul(a, x0), tf.mul(direction, epsilon));
      return { x0, next: sigma === 0 ? mean : tf.add(mean, tf.mul(sigma, rng.normal(xt.shape))) };
    });
  };
}

/** The factors of x̂_0, ε̂ and z in eq. 12. */
function stepCoefficients(
  schedule: NoiseSchedule,
  t: number,
  eta: number,
): { signal: number; direction: number; sigma: number } {
  const alphaBarPrev = schedule.alphaBarsPrev[t]!;
  const sigma = eta * Math.sqrt(schedule.posteriorVariance[t]!);
  const rest = 1 - alphaBarPrev - sigma ** 2;
  // At β_t = 1 and η = 1 nothing is left for ε̂; rounding must not turn that nothing into an error.
  if (rest < -1e-12) {
    throw new RangeError(
      `eta is ${eta}, expected at most ${Math.sqrt((1 - alphaBarPrev) / schedule.posteriorVariance[t]!)} at step ${t} of this schedule`,
    );
  }
  return { signal: Math.sqrt(alphaBarPrev), direction: Math.sqrt(Math.max(rest, 0)), sigma };
}
