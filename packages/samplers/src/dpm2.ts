import type { Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { firstOrderStep } from './first-order.js';
import { halfway } from './halfway.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpm2` stops on its way. */
export interface Dpm2Options {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
}

/**
 * DPM-Solver-2 (Lu et al. 2022, arXiv 2206.00927, algorithm 1): Euler's step to the middle of the way in λ = ln(α/σ), and
 * from the start once more with the ε̂ seen there, x_s = (α_s/α_t) x_t − σ_s (e^h − 1) ε̂_m with h = λ_s − λ_t. In the frame
 * of Karras et al. 2022, where α = 1, the middle is the geometric mean of σ and the step x_t + (σ_s − σ_t) ε̂_m, which is
 * what others call DPM2; x/α takes the same steps on every schedule. Of second order; two evaluations of the network a
 * step, one in a step to the data or from pure noise, which has no middle and is Euler's. Deterministic.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function dpm2({ times }: Dpm2Options = {}): Sampler {
  return fromSolver(
    async (step) => {
      const { x0, from, to, schedule, x0At, own } = step;
      const middle = halfway(from, to, schedule);
      if (middle === undefined) return firstOrderStep(step);
      const xMiddle = own(() => firstOrderStep({ ...step, to: middle }));
      const there = await x0At(xMiddle, middle);
      // On the way to x_m, ε̂ changes by −α_m/σ_m (x̂_0 at x_m − x̂_0), and (σ_t/α_t − σ_s/α_s) α_m/σ_m = 2 sinh(h/2).
      const h = (to.logSnr - from.logSnr) / 2;
      const euler = own(() => firstOrderStep(step));
      const change = own(() => axpby(1, there, -1, x0));
      return axpby(1, euler, 2 * to.alpha * Math.sinh(h / 2), change);
    },
    { times },
  );
}
