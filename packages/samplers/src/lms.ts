import { isPureNoise, type NoiseLevel, type Times } from '@diffusion-ts/schedules';
import { lagrange } from './lagrange.js';
import type { Sampler } from './sampler.js';
import { slopeStep } from './slopes.js';
import { fromSolver } from './solver.js';

/** Where `lms` stops on its way, and how it remembers. */
export interface LmsOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How many slopes a step rests on: 1 is Euler's, 4 the default. */
  readonly order?: 1 | 2 | 3 | 4;
}

/**
 * The linear multistep method of Adams and Bashforth on the probability-flow ODE d(x/α)/dρ = ε̂ with ρ = σ/α (Karras et al.
 * 2022, eq. 1 for α = 1; the ρAB-DEIS of Zhang & Chen 2023): the polynomial in ρ through the last slopes, integrated exactly
 * over the step, however long the steps are. The first steps are of lower order; slopes at pure noise, infinitely far, are
 * not looked back at. One evaluation of the network a step. Deterministic.
 *
 * @throws RangeError if the order is not 1, 2, 3 or 4; when called as `fromSolver` does.
 */
export function lms({ times, order = 4 }: LmsOptions = {}): Sampler {
  if (![1, 2, 3, 4].includes(order)) throw new RangeError(`order must be 1, 2, 3 or 4, not ${order}`);
  return fromSolver(
    (step) =>
      slopeStep(
        step,
        lmsFactors(
          step.to,
          step.from,
          step.history.map(({ level }) => level),
        ),
      ),
    { times, remembers: order - 1 },
  );
}

/** The integral over a step of the polynomial in ρ that is 1 at one of the earlier levels, and 0 at `from` and the others. */
export function lmsFactors(to: NoiseLevel, from: NoiseLevel, past: readonly NoiseLevel[]): number[] {
  const rho = ({ alpha, sigma }: NoiseLevel): number => sigma / alpha;
  const h = rho(to) - rho(from);
  const finite = past.filter((level) => !isPureNoise(level));
  const nodes = [0, ...finite.map((level) => (rho(level) - rho(from)) / h)];
  // ∫ u^k du from 0 to 1.
  const moments = nodes.map((_, k) => 1 / (k + 1));
  return lagrange(nodes, moments)
    .slice(1)
    .map((c) => c * h);
}
