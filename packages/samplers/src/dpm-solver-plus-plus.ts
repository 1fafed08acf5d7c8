import type { Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { multistep } from './multistep.js';
import { orderAt } from './order-at.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpmSolverPlusPlus` stops on its way, and how it remembers. */
export interface DpmSolverPlusPlusOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How many predictions of x_0 a step rests on: 1 is DDIM with η = 0, 2 (the default) the paper's 2M, 3 is 3M. */
  readonly order?: 1 | 2 | 3;
  /**
   * Whether order 3 is of third order indeed. The authors' code, which the paper does not print and others follow, is not:
   * see below. Default no.
   */
  readonly taylor?: boolean;
}

/**
 * DPM-Solver++, the multistep solver of the probability-flow ODE in x̂_0 (Lu et al. 2022, arXiv 2211.01095). With
 * λ = ln(α/σ), half the log-SNR, the ODE has the solution (proposition 4.1, eq. 8)
 * x_t = (σ_t/σ_s) x_s + σ_t ∫ e^λ x̂_0(λ) dλ from λ_s to λ_t, and a step integrates e^λ exactly and x̂_0 by the
 * differences of its last values: algorithm 2 (2M, the midpoint form) at order 2. The first steps are of lower order, and
 * so is the last, which goes to λ = ∞. Deterministic; one evaluation of the network a step.
 *
 * Order 3 goes on in Taylor's formula of that integral (eq. 9): x̂_0″ has the weight −α_t h² ((e^{−h} − 1 + h)/h² − ½). Of
 * three values one gets x̂_0″ as twice their second divided difference; the authors' code takes it once, so that its error
 * falls as 1/steps², as at order 2, and is about a third of it. `taylor` takes it twice: the error falls as 1/steps³.
 *
 * @throws RangeError if the order is not 1, 2 or 3; when called as `fromSolver` does.
 */
export function dpmSolverPlusPlus({
  times,
  order = 2,
  taylor = false,
}: DpmSolverPlusPlusOptions = {}): Sampler {
  if (![1, 2, 3].includes(order)) throw new RangeError(`order must be 1, 2 or 3, not ${order}`);
  return fromSolver(
    (step) => {
      const { x, x0, from, to, history } = step;
      const past = history.map(({ level }) => level);
      const low = orderAt(step, order);
      const { ofX, ofX0 } = multistep([to, from, ...past.slice(0, low - 1)], { rate: 1, taylor });
      const seen = [x0, ...history.map((step) => step.x0)];
      return tf.addN([tf.mul(ofX, x), ...ofX0.map((c, k) => tf.mul(c, seen[k]!))]);
    },
    { times, remembers: order - 1 },
  );
}
