import { type AdaptiveOptions, checkTolerance, endsOf } from './adaptive-options.js';
import { adaptiveWalk } from './adaptive-walk.js';
import { circle } from './circle.js';
import { DORMAND_PRINCE_ORDER, dormandPrince } from './embedded-pair.js';
import type { Sampler } from './sampler.js';

/**
 * The black-box solver of Song et al. 2021 (section 4.3, appendix D.4): the probability-flow ODE by the Runge–Kutta pair of
 * Dormand & Prince 1980, in steps as long as the tolerance, 1e-4 by default, allows. It is followed as dz/dθ = v̂ with
 * z = x/√(α² + σ²) and θ = arctan(σ/α), in which no schedule is infinite, from the first of the times to the last but one;
 * from there x̂_0 is taken. One evaluation of the network to begin with, and six a step, also one that turns out too long and
 * is not shown. Deterministic; its steps have no `total`.
 *
 * All examples take the steps that the worst of them needs, so that a sample depends on those beside it, by no more than
 * the tolerance.
 * @throws RangeError if the tolerance is not positive and finite; when called as `fromSolver` does; while it runs if no
 * step is short enough.
 */
export function rk45({ times, tolerance = 1e-4 }: AdaptiveOptions = {}): Sampler {
  checkTolerance(tolerance);
  return (reverse, xT, options = {}) => {
    const ends = endsOf(times, reverse);
    const frame = circle(reverse.forward.schedule);
    const solver = { frame, pair: dormandPrince, order: DORMAND_PRINCE_ORDER, tolerance };
    return adaptiveWalk(reverse, xT, ends, solver, options);
  };
}
