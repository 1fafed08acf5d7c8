import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  type GaussianReverseProcess,
  PREDICTIONS,
  reverseProcess,
  VARIANCES,
} from '@diffusion-ts/reverse-process';
import {
  constantFraction,
  cosine,
  type DiscreteSchedule,
  fromBetas,
  linear,
  type NoiseSchedule,
  quadratic,
  rectified,
  rescaleToZeroTerminalSnr,
  sigmoid,
  varianceExploding,
} from '@diffusion-ts/schedules';
import type { Denoiser } from '@diffusion-ts/tensor';
import type { RunConfig } from './config/schema.js';
import { ConfigError } from './config-error.js';

export type ProcessConfig = RunConfig['process'];
export type ScheduleConfig = ProcessConfig['schedule'];
/** The schedules of a number of steps, which is all that they must be told. */
export type SteppedSchedule = Extract<ScheduleConfig, { steps: number }>['kind'];

/** The schedules by their names in a config. */
const SCHEDULES: {
  readonly [K in ScheduleConfig['kind']]: (config: Extract<ScheduleConfig, { kind: K }>) => NoiseSchedule;
} = {
  linear: (config) => linear(withoutUndefined(config)),
  cosine,
  quadratic: (config) => quadratic(withoutUndefined(config)),
  sigmoid,
  'constant-fraction': constantFraction,
  betas: ({ betas }) => fromBetas(betas),
  rectified,
  'variance-exploding': varianceExploding,
};

/**
 * The schedule that is named, before its end is brought to zero signal. What one of steps leaves out has the default of the
 * schedule's own function.
 */
export function scheduleOf(config: {
  readonly kind: SteppedSchedule;
  readonly steps: number;
}): DiscreteSchedule;
export function scheduleOf(config: ScheduleConfig): NoiseSchedule;
export function scheduleOf(config: Pick<ScheduleConfig, 'kind'>): NoiseSchedule {
  return (SCHEDULES[config.kind] as (config: Pick<ScheduleConfig, 'kind'>) => NoiseSchedule)(config);
}

/** The forward process of a config. */
export function forwardOf({
  schedule,
  zeroTerminalSnr,
}: Pick<ProcessConfig, 'schedule' | 'zeroTerminalSnr'>): ForwardProcess {
  const plain = scheduleOf(schedule);
  if (!zeroTerminalSnr) return gaussianDiffusion(plain);
  if (!isDiscrete(plain)) {
    throw new ConfigError(
      `process.zeroTerminalSnr is true: expected false, since the ${schedule.kind} schedule has no steps to rescale.`,
    );
  }
  return gaussianDiffusion(rescaleToZeroTerminalSnr(plain));
}

/** Whether a schedule is one of steps, with a β each. */
export function isDiscrete(schedule: NoiseSchedule): schedule is DiscreteSchedule {
  return 'betas' in schedule;
}

/** The reverse process of a network. `clips` keeps its x_0 within ±clip of the config: for images, where nothing is learned from it. */
export function reverseOf(
  forward: ForwardProcess,
  { predicts, variance, clip }: Pick<ProcessConfig, 'predicts' | 'variance' | 'clip'>,
  denoiser: Denoiser,
  clips: boolean,
): GaussianReverseProcess {
  return reverseProcess({
    forward,
    denoiser,
    predicts: PREDICTIONS[predicts],
    variance: VARIANCES[variance],
    clip: clips && clip !== null && [-clip, clip],
  });
}

/** What is given of some options, the others having defaults of their own. */
function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]: Exclude<T[K], undefined> };
}
