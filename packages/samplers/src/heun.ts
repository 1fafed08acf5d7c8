import type { Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import type { Churn } from './churn.js';
import { firstOrder } from './first-order.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `heun` stops on its way, and how much noise it churns. */
export interface HeunOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How noise is added before a step, and taken away by it; default not at all. */
  readonly churn?: Churn;
}

/**
 * Heun's method on the probability-flow ODE, algorithm 2 of Karras et al. 2022: Euler's step, then once more from the start
 * with the mean of what the network sees at both ends, x + Δα (x̂_0 + x̂_0′)/2 + Δσ (ε̂ + ε̂′)/2. That is their step where
 * α = 1, and the one in t on the straight path of rectified flow. Of second order; two evaluations of the network a step,
 * one in the last, which goes to the data. Deterministic without `churn` (algorithm 1), whose levels are in σ/α, so that it
 * means the same on every schedule; the noise of none rises above the schedule's end.
 *
 * @throws RangeError if a number of `churn` is out of range; when called, as `fromSolver` does.
 */
export function heun({ times, churn }: HeunOptions = {}): Sampler {
  return fromSolver(
    async ({ x, x0, from, to, x0At, own }) => {
      const { ofX, ofX0 } = firstOrder(from, to);
      const euler = own(() => axpby(ofX, x, ofX0, x0));
      if (to.sigma === 0) return euler;
      const there = await x0At(euler, to);
      // Euler's x is α′ x̂_0 + σ′ ε̂, so the change of ε̂ is −α′/σ′ times that of x̂_0, and both are one term.
      const half = ((to.alpha * from.sigma) / to.sigma - from.alpha) / 2;
      const change = own(() => axpby(1, there, -1, x0));
      return axpby(1, euler, half, change);
    },
    { times, churn },
  );
}
