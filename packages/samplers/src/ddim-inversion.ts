import { every, type Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import type { Sampler } from './sampler.js';
import { levelsAt, type Solver, walk } from './solver.js';

/** Which `ddim` is inverted. */
export interface DdimInversionOptions {
  /** The times of the `ddim` to invert; default every step of a discrete schedule. */
  readonly times?: Times;
}

/**
 * DDIM backwards, from data to the noise that `ddim` with the same times and η = 0 turns into them: it is given x_0 where a
 * sampler is given x_T, and returns x_T. Each step solves eq. 12 of Song, Meng & Ermon 2021 (σ = 0) for x_t with ε̂(x_t, t)
 * replaced by ε̂(x_s, t), so going there and back misses by O(1/steps). Draws nothing.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function ddimInversion({ times = every() }: DdimInversionOptions = {}): Sampler {
  return (reverse, x0, options = {}) => {
    const levels = levelsAt(times, reverse).reverse();
    const solver: Solver = ({ x, x0, from, to }) => {
      const epsilon = axpby(1 / to.sigma, x, -to.alpha / to.sigma, x0);
      const ofX = to.alpha / from.alpha;
      return axpby(ofX, x, to.sigma - ofX * from.sigma, epsilon);
    };
    // At the data themselves a network was never trained: it is asked as if x were at the noisier level already.
    return walk(solver, reverse, x0, { levels, told: levels.slice(1) }, options);
  };
}
