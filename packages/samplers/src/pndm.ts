import { isPureNoise, type Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { firstOrderStep } from './first-order.js';
import type { Sampler } from './sampler.js';
import { slopeStep } from './slopes.js';
import { fromSolver } from './solver.js';

/** Where `pndm` stops on its way. */
export interface PndmOptions {
  /** The times to visit, best in equal steps; default every step of a discrete schedule. */
  readonly times?: Times;
}

/** The factors of ε̂ at the steps before, eq. 12 of the paper and its forerunners, by how many there are. */
const ADAMS_BASHFORTH = [[], [-1 / 2], [-16 / 12, 5 / 12], [-59 / 24, 37 / 24, -9 / 24]] as const;

/**
 * The pseudo linear multistep method of Liu et al. 2022 (PNDM, eq. 11 and 12; PLMS): DDIM's step with
 * ε′ = (55 ε̂_t − 59 ε̂_{t+1} + 37 ε̂_{t+2} − 9 ε̂_{t+3})/24, the factors of Adams and Bashforth for equal steps whatever the
 * steps are. Where others begin with the paper's Runge–Kutta steps, this one takes the mean of ε̂ at both ends of the first
 * step and then the formulas of two and of three slopes (diffusers' `skip_prk_steps`). Of second order; one evaluation of
 * the network a step, two in the first, unless that goes to the data or from pure noise and is DDIM's. Where the first
 * level has hardly any signal, σ_t/α_t times an error of ε̂ comes with the first step: start from more. Deterministic.
 *
 * @throws (when called) as `fromSolver` does.
 */
export function pndm({ times }: PndmOptions = {}): Sampler {
  return fromSolver(
    async (step) => {
      const { x0, from, to, history, x0At, own } = step;
      if (history.length > 0) {
        const h = to.sigma / to.alpha - from.sigma / from.alpha;
        const factors: readonly number[] = ADAMS_BASHFORTH[history.length as 1 | 2 | 3];
        return own(() =>
          slopeStep(
            step,
            factors.map((factor) => factor * h),
          ),
        );
      }
      const ddim = own(() => firstOrderStep(step));
      if (to.sigma === 0 || isPureNoise(from)) return ddim;
      // On the way ε̂ changes by −α_s/σ_s (x̂_0 at its end − x̂_0).
      const change = await x0At(ddim, to).then((there) => own(() => axpby(1, there, -1, x0)));
      const ratio = (from.sigma * to.alpha) / (from.alpha * to.sigma);
      return axpby(1, ddim, (to.alpha * (ratio - 1)) / 2, change);
    },
    { times, remembers: 3 },
  );
}
