import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { guided, SAMPLERS, type Sampler } from '@diffusion-ts/samplers';
import {
  even,
  every,
  karras,
  leading,
  leadingToData,
  linspace,
  linspaceToData,
  logSnrSpaced,
  type NoiseSchedule,
  sections,
  type Times,
  trailing,
} from '@diffusion-ts/schedules';
import type { Params } from '@diffusion-ts/tensor';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { type DenoisingNetwork, emptyCondition } from './network.js';
import { type ProcessConfig, reverseOf } from './process.js';

/** The `sampling` of a config. */
export type SamplingConfig = RunConfig['sampling'];

/** The ways to spread few steps, by their names in a config. */
export const TIMES: Readonly<Record<NonNullable<SamplingConfig['times']>, (steps: number) => Times>> = {
  sections: (steps) => sections([steps]),
  leading,
  'leading-to-data': leadingToData,
  trailing,
  linspace,
  'linspace-to-data': linspaceToData,
  even,
  karras: (steps) => karras({ steps }),
  'log-snr': logSnrSpaced,
};

/**
 * The times of a config, as many as the schedule has steps where it names no number of them. Where it names no way to
 * spread them: evenly for the ancestral sampler, and for the others in the way that comes nearest to the exact solution. A
 * sampler that finds its steps goes from the most noise to the least.
 * @throws ConfigError if there are not as many, or there is no number of them, or they cannot be spread so.
 */
export function timesOf(
  { sampler, steps, times }: Pick<SamplingConfig, 'sampler' | 'steps' | 'times'>,
  schedule: NoiseSchedule,
): Times {
  if (SAMPLERS[sampler]?.findsSteps) return ({ end, least, start }) => Float64Array.of(end, least, start);
  const all = schedule.steps;
  const count = steps ?? all;
  if (count === undefined) {
    throw new ConfigError(
      'sampling.steps is null: expected a number, since the schedule has no steps of its own.',
    );
  }
  if (all !== undefined && count > all) {
    throw new ConfigError(`sampling.steps is ${count}: expected at most the ${all} steps of the schedule.`);
  }
  if (times !== null) {
    const list = TIMES[times](count);
    blaming(`sampling.times is ${times}: `, () => list(schedule));
    return list;
  }
  if (count === all) return every();
  // Noise that grows beyond the data is spread by its size, or most steps would go where nothing is left to see.
  if (all === undefined && schedule.level(schedule.end).alpha === 1) return karras({ steps: count });
  return all !== undefined && sampler === 'ancestral' ? sections([count]) : trailing(count);
}

/**
 * The sampler of a config.
 * @throws ConfigError if its times do not fit the schedule (see `timesOf`), or it has no such order.
 */
export function samplerOf(settings: SamplingConfig, { schedule }: Pick<ForwardProcess, 'schedule'>): Sampler {
  return samplerAt(settings, timesOf(settings, schedule));
}

/** The sampler of a config at other times than it names, to begin from a picture. */
export function samplerAt({ sampler, eta, order, churn, tolerance }: SamplingConfig, times: Times): Sampler {
  return blaming('sampling: ', () =>
    SAMPLERS[sampler]!.make({
      times,
      churn,
      ...(eta !== null && { eta }),
      ...(order !== null && { order }),
      ...(tolerance !== null && { tolerance }),
    }),
  );
}

/**
 * The reverse process to sample from: guided where asked for, and for images with x_0 kept in the range of the config. The caller
 * calls `dispose` when done.
 * @throws ConfigError if there is nothing to guide to.
 */
export function samplingProcess(
  network: DenoisingNetwork,
  params: Params,
  forward: ForwardProcess,
  process: ProcessConfig,
  guidance: number,
): GaussianReverseProcess & {
  /** Frees what stands for "no class". */
  dispose(): void;
} {
  const denoiser = network.denoiser(params);
  if (guidance === 0) return { ...reverseOf(forward, process, denoiser, network.isImage), dispose: () => {} };
  const empty = emptyCondition(network);
  if (empty === undefined) {
    throw new ConfigError(
      'sampling.guidance needs a model that was trained with classes or an image, and with some of them hidden; this one was not.',
    );
  }
  const reverse = reverseOf(forward, process, denoiser, network.isImage);
  return { ...guided(reverse, { scale: guidance, empty: empty.condition }), dispose: empty.dispose };
}
