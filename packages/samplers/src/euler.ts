import type { Times } from '@diffusion-ts/schedules';
import { firstOrderStep } from './first-order.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `euler` stops on its way. */
export interface EulerOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
}

/**
 * Euler's method on the probability-flow ODE, algorithm 1 of Karras et al. 2022 without churn and correction:
 * x_s = x_t + (σ_s − σ_t) (x_t − x̂_0)/σ_t where α = 1, and on any schedule the step of first order (`firstOrder`), which is
 * DDIM's with η = 0 too. One evaluation of the network a step. Deterministic.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function euler({ times }: EulerOptions = {}): Sampler {
  return fromSolver(firstOrderStep, { times });
}
