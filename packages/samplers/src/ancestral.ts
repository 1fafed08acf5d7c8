import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { Times } from '@diffusion-ts/schedules';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Sampler } from './sampler.js';
import { fromSolver, type SolverStep } from './solver.js';

/** Where `ancestral` stops on its way. */
export interface AncestralOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
}

/**
 * Ancestral sampling, algorithm 2 of Ho et al. 2020: x_s ~ p_θ(x_s | x_t), at the end too where x is discrete, and else
 * without noise, its mode. The distribution is the process's own, of whatever kind, learned variances and clipping included;
 * with few times it is that between them (section 4 of Nichol & Dhariwal 2021).
 *
 * @throws (when called) as `fromSolver` does.
 */
export function ancestral<D extends Distribution = Gaussian>({ times }: AncestralOptions = {}): Sampler<D> {
  return fromSolver<D>(ancestralStep, { times, draws: true });
}

/** A draw of p_θ(x_s | x_t), and its mode where a density ends. */
export function ancestralStep<D extends Distribution>({ evaluation, to, rng }: SolverStep<D>): Tensor {
  const p = evaluation.to(to.t);
  return to.sigma === 0 && !p.discrete ? p.mode() : p.sample(rng);
}
