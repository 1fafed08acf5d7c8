import { between, type Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { brownianTree } from './brownian-tree.js';
import { multistep } from './multistep.js';
import type { NoiseSource } from './noise.js';
import { orderAt } from './order-at.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpmSolverPlusPlusSde` stops on its way, how it remembers, and where its noise comes from. */
export interface DpmSolverPlusPlusSdeOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How many predictions of x_0 a step rests on: 1 is the posterior, 2 (the default) the paper's 2M, 3 is 3M. */
  readonly order?: 1 | 2 | 3;
  /** What its noise is made by; default `brownianTree`, by which it is the same in any number of steps. */
  readonly noise?: NoiseSource;
}

/**
 * SDE-DPM-Solver++, the multistep solver of the diffusion SDE in x̂_0 (Lu et al. 2022, arXiv 2211.01095, appendix). With
 * λ = ln(α/σ) and h = λ_t − λ_s the SDE has the solution
 * x_t = (σ_t/σ_s) e^{−h} x_s + 2 α_t ∫ e^{−2(λ_t − λ)} x̂_0(λ) dλ + σ_t √(1 − e^{−2h}) z, and a step integrates as
 * `dpmSolverPlusPlus` does: order 1 is a draw of the posterior q(x_s | x_t, x̂_0), `eulerAncestral` with η = 1; order 2 is
 * SDE-DPM-Solver++ 2M, in the midpoint form; order 3 goes on as k-diffusion's dpmpp_3m_sde does. The first steps are of
 * lower order, and so is the last, which goes to the data without noise. One evaluation of the network a step.
 *
 * Mean and variance of the samples are of order 1, and of order 2 at the orders 2 and 3: what x̂_0 differs by from one
 * step to the next is noise too.
 *
 * @throws RangeError if the order is not 1, 2 or 3; when called, as `fromSolver` does.
 */
export function dpmSolverPlusPlusSde({
  times,
  order = 2,
  noise = brownianTree,
}: DpmSolverPlusPlusSdeOptions = {}): Sampler {
  if (![1, 2, 3].includes(order)) throw new RangeError(`order must be 1, 2 or 3, not ${order}`);
  return fromSolver(
    (step) => {
      const { x, x0, from, to, history, noise } = step;
      const past = history.map(({ level }) => level);
      const low = orderAt(step, order);
      const { ofX, ofX0 } = multistep([to, from, ...past.slice(0, low - 1)], { rate: 2 });
      const seen = [x0, ...history.map((step) => step.x0)];
      const mean = [tf.mul(ofX, x), ...ofX0.map((c, k) => tf.mul(c, seen[k]!))];
      const { variance } = between(to, from);
      return tf.addN(variance === 0 ? mean : [...mean, tf.mul(Math.sqrt(variance), noise(from, to))]);
    },
    { times, remembers: order - 1, noise },
  );
}
