import type { Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { ancestralStep, checkEta } from './ancestral-step.js';
import { brownianTree } from './brownian-tree.js';
import { firstOrderStep } from './first-order.js';
import type { NoiseSource } from './noise.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `eulerAncestral` stops on its way, and how much noise it draws, from where. */
export interface EulerAncestralOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** η, 0 … 1: 1 (the default) has the posterior variance, 0 is Euler's method, which draws nothing. */
  readonly eta?: number;
  /** What its noise is made by; default `brownianTree`, by which it is the same in any number of steps. */
  readonly noise?: NoiseSource;
}

/**
 * Euler ancestral, as k-diffusion and those after it have it: Euler's step down to less noise than the level has, and
 * noise up to it. In σ/α, with σ_up = η √(σ_s² (1 − σ_s²/σ_t²)) and σ_down = √(σ_s² − σ_up²), it is
 * x_s = x̂_0 + (σ_down/σ_t)(x_t − x̂_0) + σ_up z. That is the step of `ddim` with this η, and with η = 1 a draw of the
 * posterior q(x_s | x_t, x̂_0), as of `ancestral` with small variances; what differs is where the noise comes from. One
 * evaluation of the network a step.
 *
 * @throws RangeError if eta is not in 0 … 1; when called, as `fromSolver` does.
 */
export function eulerAncestral({
  times,
  eta = 1,
  noise = brownianTree,
}: EulerAncestralOptions = {}): Sampler {
  checkEta(eta);
  return fromSolver(
    ({ x, x0, from, to, noise }) => {
      const { down, up } = ancestralStep(from, to, eta);
      const mean = firstOrderStep({ x, x0, from, to: { ...to, sigma: down } });
      return up === 0 ? mean : axpby(1, mean, up, noise(from, to));
    },
    { times, noise, draws: eta > 0 },
  );
}
