import type { NoiseSchedule, Respacing } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { respaced } from './respaced.js';
import type { Sampler } from './sampler.js';
import { descending, walk } from './walk.js';

export interface DpmSolverPlusPlusOptions {
  /** Which steps of the schedule to take, as in `respace`; all of them by default. */
  readonly steps?: Respacing;
  /** How many predictions of x_0 a step rests on: 1 is DDIM with η = 0, 2 (the default) the paper's 2M, 3 is 3M. */
  readonly order?: 1 | 2 | 3;
}

// With fewer steps than these the last ones are of low order, which is more stable.
const FEW = 15;

/**
 * DPM-Solver++, the multistep solver of the probability-flow ODE in x̂_0 (Lu et al. 2022, arXiv 2211.01095). With
 * λ = ln(α/σ), half the log-SNR, the ODE has the solution (proposition 4.1, eq. 8)
 * x_t = (σ_t/σ_s) x_s + σ_t ∫ e^λ x̂_0(λ) dλ from λ_s to λ_t, and a step integrates e^λ exactly and x̂_0 by the
 * differences of its last values: algorithm 2 (2M, the midpoint form) at order 2. The first steps are of lower order, and
 * so is the last, which goes to λ = ∞. Deterministic, draws nothing from `rng`; one evaluation of the network a step.
 * With a zero terminal signal-to-noise ratio it needs a network that predicts v or x_0.
 *
 * Order 3 is the solver of the authors' code, which the paper does not print. It gives the second difference half its
 * weight in Taylor's formula: its error falls as 1/steps² as at order 2, and is about a third of it.
 *
 * @throws RangeError if the order is not 1, 2 or 3 and, when the sampler is called, if the schedule cannot be respaced
 * that way, or if the network predicts the previous mean and `steps` are given.
 */
export function dpmSolverPlusPlus({ steps, order = 2 }: DpmSolverPlusPlusOptions = {}): Sampler {
  if (![1, 2, 3].includes(order)) throw new RangeError(`order must be 1, 2 or 3, not ${order}`);
  return (reverse, xT, { signal, condition }) => {
    const process = respaced(reverse, steps);
    const { schedule } = process.forward;
    const coefficients = Array.from({ length: schedule.steps }, (_, t) =>
      stepCoefficients(schedule, t, orderAt(schedule.steps, t, order)),
    );
    const move = (xt: tf.Tensor, t: tf.Tensor1D, index: number, earlier: readonly tf.Tensor[]) => {
      const { x0 } = process.predict(xt, t, condition);
      const { ofXt, ofX0 } = coefficients[index]!;
      const terms = [x0, ...earlier]
        .slice(0, ofX0.length)
        .map((prediction, k) => tf.mul(ofX0[k]!, prediction));
      return { x0, next: tf.addN([tf.mul(ofXt, xt), ...terms]) };
    };
    return walk(xT, descending(schedule.steps), schedule.timesteps, signal, move, order - 1);
  };
}

/** The order of the step from index t: no more than there are predictions, and low at the end. */
function orderAt(steps: number, t: number, order: number): number {
  const most = t === 0 || steps < FEW ? t + 1 : order;
  return Math.min(order, steps - t, most);
}

/** The factors of x_t and of the predictions of x_0, the newest first, in the step from index t. */
function stepCoefficients(
  schedule: NoiseSchedule,
  t: number,
  order: number,
): { ofXt: number; ofX0: readonly number[] } {
  const lambda = (i: number): number => (i < 0 ? Infinity : schedule.logSnr[i]! / 2);
  const alpha = Math.sqrt(schedule.alphaBarsPrev[t]!);
  const ofXt = Math.sqrt((1 - schedule.alphaBarsPrev[t]!) / (1 - schedule.alphaBars[t]!));
  const h = lambda(t - 1) - lambda(t);
  const decay = Math.expm1(-h);
  const first = -alpha * decay;
  if (order === 1) return { ofXt, ofX0: [first] };

  // An earlier step from λ = −∞ is infinitely long: its difference has the weight h/∞ = 0.
  const h0 = lambda(t) - lambda(t + 1);
  if (order === 2) {
    const slope = (first / 2) * (h / h0);
    return { ofXt, ofX0: [first + slope, -slope] };
  }
  // The quadratic through three predictions in Newton's form: `second` weighs its slope, `third` its curvature.
  const h1 = lambda(t + 1) - lambda(t + 2);
  const second = alpha * (decay / h + 1);
  const third = -alpha * ((decay + h) / h ** 2 - 0.5);
  const curvature = (second * h0 + third * h) / (h0 + h1);
  const newer = (second + curvature) * (h / h0);
  const older = curvature * (h / h1);
  return { ofXt, ofX0: [first + newer, -newer - older, older] };
}
