import { type Between, between, type NoiseLevel, type NoiseSchedule } from '@diffusion-ts/schedules';
import {
  axpby,
  checkPerExample,
  described,
  mapExamples,
  type PerExample,
  zipExamples,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape } from './check-shape.js';
import type { ForwardProcess } from './forward-process.js';
import { gaussian } from './gaussian.js';

/**
 * Gaussian diffusion (Ho et al. 2020, section 2) on any noise schedule:
 *
 * - `sample`: q(x_t | x_0) = N(α_t x_0, σ_t² I), eq. 4, as α_t x_0 + σ_t noise;
 * - `marginal`: the same as a distribution;
 * - `posterior`: q(x_s | x_t, x_0), eq. 6 and 7 between any two levels (see `between` of schedules);
 * - `prior`: N(0, I), or N(0, σ_T² I) where noise grows beyond the data, as in EDM.
 *
 * Every result is a new tensor, or made of new ones, that belong to the caller.
 * @throws TypeError if `schedule` is none. Its methods throw RangeError if shapes do not fit, or the schedule has no such
 * time; TypeError if a time is no number of the host, or a tensor is none or disposed.
 * @example
 * const forward = gaussianDiffusion(cosine({ steps: 1000 }));
 * const t = Float64Array.of(0, 999); // a time for each of two images x_0 [2, 28, 28, 1]
 * const xt = forward.sample(x0, t, forward.noise(rng(0), x0.shape));
 */
export function gaussianDiffusion(schedule: NoiseSchedule): ForwardProcess {
  if (typeof schedule?.level !== 'function') {
    throw new TypeError(
      `schedule must be a noise schedule, such as cosine({ steps: 1000 }), not ${described(schedule)}`,
    );
  }
  const at = (t: PerExample, f: (level: NoiseLevel) => number): PerExample =>
    mapExamples(t, (time) => f(schedule.level(time)));

  return {
    schedule,
    noise: (rng, shape) => rng.normal(shape),
    sample(x0, t, noise) {
      checkPerExample('t', t, 'x0', x0);
      checkShape('noise', noise, 'x0', x0);
      return axpby(
        at(t, ({ alpha }) => alpha),
        x0,
        at(t, ({ sigma }) => sigma),
        noise,
      );
    },
    marginal(x0, t) {
      checkPerExample('t', t, 'x0', x0);
      const mean = axpby(
        at(t, ({ alpha }) => alpha),
        x0,
        0,
        x0,
      );
      return gaussian({ mean, logVariance: at(t, ({ sigma }) => 2 * Math.log(sigma)) });
    },
    posterior(x0, xt, t, s) {
      checkPerExample('t', t, 'x0', x0);
      checkPerExample('s', s, 'x0', x0);
      checkShape('xt', xt, 'x0', x0);
      const of = (f: (b: Between) => number): PerExample => betweenExamples(schedule, t, s, f);
      const mean = axpby(
        of(({ ofX0 }) => ofX0),
        x0,
        of(({ ofXt }) => ofXt),
        xt,
      );
      return gaussian({ mean, logVariance: of(({ variance }) => Math.log(variance)) });
    },
    prior(shape) {
      const { sigma } = schedule.level(schedule.end);
      return gaussian({ mean: tf.zeros([...shape]), logVariance: 2 * Math.log(Math.max(sigma, 1)) });
    },
  };
}

/**
 * A number of what lies between the level at each example's s and that at its t.
 * @throws RangeError where s is not of less noise than t.
 */
function betweenExamples(
  schedule: NoiseSchedule,
  t: PerExample,
  s: PerExample,
  f: (coefficients: Between) => number,
): PerExample {
  return zipExamples(t, s, (t, s) => {
    const [from, to] = [schedule.level(t), schedule.level(s)];
    if (to.logSnr > from.logSnr) return f(between(to, from));
    throw new RangeError(`s is ${s}, expected a time of less noise than t, which is ${t}`);
  });
}
