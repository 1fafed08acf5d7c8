import type { Times } from '@diffusion-ts/schedules';
import { firstOrderStep } from './first-order.js';
import { halfway } from './halfway.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpmSolverPlusPlus2S` stops on its way. */
export interface DpmSolverPlusPlus2SOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
}

/**
 * DPM-Solver++ (2S), algorithm 1 of Lu et al. 2022 (arXiv 2211.01095) with r = ½: u = (σ_m/σ_t) x_t − α_m (e^{−h/2} − 1) x̂_0
 * in the middle of the way in λ = ln(α/σ), and x_s = (σ_s/σ_t) x_t − α_s (e^{−h} − 1) x̂_0(u), h = λ_s − λ_t. It remembers
 * nothing, so that what happens between two steps does not confuse it. Of second order; two evaluations of the network a
 * step, one in a step to the data or from pure noise, which has no middle and is of first order. Deterministic.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function dpmSolverPlusPlus2S({ times }: DpmSolverPlusPlus2SOptions = {}): Sampler {
  return fromSolver(
    async (step) => {
      const { x, from, to, schedule, x0At, own } = step;
      const middle = halfway(from, to, schedule);
      if (middle === undefined) return firstOrderStep(step);
      const u = own(() => firstOrderStep({ ...step, to: middle }));
      return firstOrderStep({ x, x0: await x0At(u, middle), from, to });
    },
    { times },
  );
}
