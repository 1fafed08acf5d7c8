import { isPureNoise, type NoiseLevel, type Times } from '@diffusion-ts/schedules';
import { lagrange } from './lagrange.js';
import { orderAt } from './order-at.js';
import type { Sampler } from './sampler.js';
import { slopeStep } from './slopes.js';
import { fromSolver } from './solver.js';

/** Where `deis` stops on its way, and how it remembers. */
export interface DeisOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How many predictions of ε a step rests on: 1 is DDIM with η = 0, 2 the default. */
  readonly order?: 1 | 2 | 3;
}

/**
 * The diffusion exponential integrator sampler of Zhang & Chen 2023 (eq. 13 to 15, multistep):
 * x_s/α_s = x_t/α_t + Σ C_k ε̂_k, where ε̂ is the polynomial through its last values, integrated exactly against d(σ/α). The
 * polynomial is one in λ = ln(α/σ), as in DPM-Solver (Lu et al. 2022) and diffusers; the paper's tAB takes t, which here
 * not every schedule has. The first steps are of lower order, and so is the last, which goes to λ = ∞. One evaluation of
 * the network a step. Deterministic.
 *
 * @throws RangeError if the order is not 1, 2 or 3; when called as `fromSolver` does.
 */
export function deis({ times, order = 2 }: DeisOptions = {}): Sampler {
  if (![1, 2, 3].includes(order)) throw new RangeError(`order must be 1, 2 or 3, not ${order}`);
  return fromSolver(
    (step) => {
      const past = step.history.slice(0, orderAt(step, order) - 1).map(({ level }) => level);
      return slopeStep(step, deisFactors(step.to, step.from, past));
    },
    { times, remembers: order - 1 },
  );
}

/** The integral against d(σ/α) of the polynomial in λ that is 1 at one of the earlier levels, and 0 at `from` and the others. */
export function deisFactors(to: NoiseLevel, from: NoiseLevel, past: readonly NoiseLevel[]): number[] {
  const lambda = ({ logSnr }: NoiseLevel): number => (logSnr - from.logSnr) / 2;
  const finite = past.filter((level) => !isPureNoise(level));
  const nodes = [0, ...finite.map(lambda)];
  // dρ = −ρ dλ with ρ = σ/α = ρ_t e^{−(λ − λ_t)}.
  const rho = from.sigma / from.alpha;
  return lagrange(nodes, decayingMoments(lambda(to), nodes.length))
    .slice(1)
    .map((c) => -rho * c);
}

/** ∫ u^k e^{−u} du from 0 to h, k = 0, 1 …, by parts. */
function decayingMoments(h: number, count: number): number[] {
  const moments = [-Math.expm1(-h)];
  for (let k = 1; k < count; k++) moments.push(k * moments[k - 1]! - h ** k * Math.exp(-h));
  return moments;
}
