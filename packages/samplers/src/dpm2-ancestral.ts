import type { Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { ancestralStep, checkEta } from './ancestral-step.js';
import { brownianTree } from './brownian-tree.js';
import { firstOrderStep } from './first-order.js';
import type { NoiseSource } from './noise.js';
import type { Sampler } from './sampler.js';
import { fromSolver } from './solver.js';

/** Where `dpm2Ancestral` stops on its way, and how much noise it draws, from where. */
export interface Dpm2AncestralOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** η, 0 … 1: 1 (the default) draws as much as the posterior does, 0 nothing. */
  readonly eta?: number;
  /** What its noise is made by; default `brownianTree`, by which it is the same in any number of steps. */
  readonly noise?: NoiseSource;
}

/**
 * DPM2 ancestral, as k-diffusion has it: the step of DPM-Solver-2 (Lu et al. 2022, algorithm 1) down to less noise than
 * the level has, and noise up to it, σ_down and σ_up as of `eulerAncestral`. In σ/α, with x′ where Euler's step leads at
 * σ_mid = √(σ_t σ_down), it is x_s = x_t + (σ_down − σ_t) ε̂(x′) + σ_up z; with η = 1 σ_mid is σ_s. Two evaluations of the
 * network a step, one where σ_down is the data's or σ_t is infinite, which is Euler's. Its mean and variance are of second
 * order.
 *
 * @throws RangeError if eta is not in 0 … 1; when called, as `fromSolver` does.
 */
export function dpm2Ancestral({ times, eta = 1, noise = brownianTree }: Dpm2AncestralOptions = {}): Sampler {
  checkEta(eta);
  return fromSolver(
    async ({ x, x0, from, to, schedule, x0At, own, noise }) => {
      const { down, up } = ancestralStep(from, to, eta);
      const euler = own(() => firstOrderStep({ x, x0, from, to: { ...to, sigma: down } }));
      const drawn = (mean: tf.Tensor): tf.Tensor => (up === 0 ? mean : axpby(1, mean, up, noise(from, to)));
      if (down === 0 || from.alpha === 0) return drawn(euler);

      const [sigma, sigmaDown] = [from.sigma / from.alpha, down / to.alpha];
      const mid = schedule.level(schedule.timeOf(-Math.log(sigma * sigmaDown)));
      const x0Mid = await x0At(
        own(() => firstOrderStep({ x, x0, from, to: mid })),
        mid,
      );
      // x_mid is Euler's, so that the change of ε̂ is −1/σ_mid times that of x̂_0.
      const change = (to.alpha * (sigma - sigmaDown)) / Math.sqrt(sigma * sigmaDown);
      return own(() => drawn(axpby(1, euler, change, axpby(1, x0Mid, -1, x0))));
    },
    { times, noise, draws: eta > 0 },
  );
}
