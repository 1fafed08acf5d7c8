import { between, type NoiseLevel, type Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { ancestralStep } from './ancestral-step.js';
import { firstOrderStep } from './first-order.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `ddim` stops on its way, and how much noise it adds. */
export interface DdimOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How much of the ancestral sampler's noise is added: 0 (the default) is deterministic, 1 has the posterior variance. */
  readonly eta?: number;
}

/**
 * Denoising diffusion implicit models, eq. 12 and 16 of Song, Meng & Ermon 2021:
 * x_s = α_s x̂_0 + √(σ_s² − σ²) ε̂ + σ z with ε̂ = (x_t − α_t x̂_0)/σ_t and σ² = η² β̃. One evaluation of the network a step.
 *
 * @throws RangeError if eta is negative or not finite and, when the sampler is called, if an eta above 1 asks for more
 * noise than a step has; else as `fromSolver` does.
 * @example
 * const xT = latent(reverse.forward, rng(0), [16, 28, 28, 1]);
 * const x0 = await finish(ddim({ times: trailing(50) })(reverse, xT));
 */
export function ddim({ times, eta = 0 }: DdimOptions = {}): Sampler {
  if (!(eta >= 0 && eta < Infinity))
    throw new RangeError(`eta must be a finite number from 0 up, not ${eta}`);
  return fromSolver(
    ({ x, x0, from, to, rng }) => {
      const { down, up } = ancestralStep(from, to, eta);
      const mean = firstOrderStep({ x, x0, from, to: { ...to, sigma: down } });
      return up === 0 ? mean : axpby(1, mean, up, rng.normal(x.shape));
    },
    {
      times,
      draws: eta > 0,
      check: (from, to) => checkStep(from, to, eta),
    },
  );
}

function checkStep(from: NoiseLevel, to: NoiseLevel, eta: number): void {
  const { variance } = between(to, from);
  // At β = 1 and η = 1 nothing is left for ε̂; rounding must not turn that nothing into an error.
  if (to.sigma ** 2 - eta ** 2 * variance >= -1e-12) return;
  throw new RangeError(
    `eta is ${eta}, expected at most ${to.sigma / Math.sqrt(variance)} in the step from ${from.t} to ${to.t} of this schedule`,
  );
}
