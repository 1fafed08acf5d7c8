import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { ancestral, ddim, dpmSolverPlusPlus, guided, type Sampler } from '@diffusion-ts/samplers';
import type { Params } from '@diffusion-ts/tensor';
import type { RunConfig } from '../config/schema.js';
import { Refusal } from '../errors.js';
import type { Network } from './network.js';
import { reverseOf } from './process.js';

export function samplerOf(settings: RunConfig['sampling'], forward: ForwardProcess): Sampler {
  const { sampler, steps, eta, order } = settings;
  const most = forward.schedule.steps;
  if (steps !== null && steps > most) {
    throw new Refusal(`--steps is ${steps}, but the schedule has only ${most}.`, { exitCode: 2 });
  }
  const all = steps === null || steps === most;
  if (sampler === 'ancestral') return ancestral(all ? {} : { steps });
  // Of the ways to space few steps, the nearest to the exact solution.
  const few = all ? {} : ({ steps: `trailing${steps}` } as const);
  return sampler === 'ddim' ? ddim({ ...few, eta }) : dpmSolverPlusPlus({ ...few, order });
}

/** The reverse process to sample from: guided where asked for, and for images with x_0 kept in their range. */
export function samplingProcess(
  network: Network,
  params: Params,
  forward: ForwardProcess,
  process: RunConfig['process'],
  guidance: number,
): ReverseProcess {
  const denoiser = network.denoiser(params);
  if (guidance === 0) return reverseOf(forward, process, denoiser, network.isImage);
  if (network.nullLabel === undefined) {
    throw new Refusal(
      `--guidance needs a model that was trained with classes and with some of them hidden; this one was not.`,
    );
  }
  const free = guided(denoiser, { scale: guidance, unconditional: network.nullLabel });
  return reverseOf(forward, process, free, network.isImage);
}
