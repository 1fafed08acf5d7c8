import {
  absorbingTransition,
  type CategoricalDiffusion,
  categoricalDiffusion,
  type ForwardProcess,
  gaussianDiffusion,
  gaussianTransition,
  type Transition,
  uniformTransition,
} from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  type GaussianReverseProcess,
  PREDICTIONS,
  type Prediction,
  reverseProcess,
  VARIANCES,
} from '@diffusion-ts/reverse-process';
import {
  constantFraction,
  cosine,
  type DiscreteSchedule,
  fromBetas,
  fromGammas,
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

/** The `process` of a config. */
export type ProcessConfig = RunConfig['process'];
/** The `process.schedule` of a config: its `kind`, and the options of that schedule. */
export type ScheduleConfig = ProcessConfig['schedule'];
/** A schedule that is learned with the network. */
export type LearnedSchedule = Extract<ScheduleConfig, { kind: 'learned' }>;
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
  learned: ({ min, max, steps }) => {
    const last = steps ?? 1000;
    return fromGammas(Float64Array.from({ length: last + 1 }, (_, i) => min + ((max - min) * i) / last));
  },
};

/**
 * The schedule that is named, before its end is brought to zero signal. What one of steps leaves out has the default of the
 * schedule's own function; a learned one is that from which it is learned.
 * @throws RangeError where an option is out of range.
 */
export function scheduleOf(config: {
  /** The name of the schedule. */
  readonly kind: SteppedSchedule;
  /** T, the number of steps. */
  readonly steps: number;
}): DiscreteSchedule;
/** The same of any schedule, with all its options. */
export function scheduleOf(config: ScheduleConfig): NoiseSchedule;
export function scheduleOf(config: Pick<ScheduleConfig, 'kind'>): NoiseSchedule {
  return (SCHEDULES[config.kind] as (config: Pick<ScheduleConfig, 'kind'>) => NoiseSchedule)(config);
}

/**
 * The Gaussian forward process of a config.
 * @throws ConfigError if its noise is that of classes.
 */
export function forwardOf(process: ForwardConfig): ForwardProcess {
  if (process.noise === 'gaussian') return gaussianDiffusion(noiseScheduleOf(process));
  throw new ConfigError(
    `process.noise is ${process.noise}: expected gaussian, since numbers are asked for and no classes.`,
  );
}

/**
 * The forward process of a config on data of so many classes.
 * @throws ConfigError if its noise is that of numbers.
 */
export function categoricalForwardOf(
  process: ForwardConfig & Pick<ProcessConfig, 'predicts' | 'sigmaData' | 'variance'>,
  classes: number,
): CategoricalDiffusion {
  const { noise, predicts, variance } = process;
  if (noise === 'gaussian') {
    throw new ConfigError(
      'process.noise is gaussian: expected uniform, absorbing or discretised-gaussian, since the data are classes.',
    );
  }
  if (predicts !== 'x0' || variance !== 'fixedSmall') {
    throw new ConfigError(
      `process.${predicts === 'x0' ? `variance is ${variance}: expected fixedSmall` : `predicts is ${predicts}: expected x0`}, since a network for classes says which they were, and nothing else.`,
    );
  }
  predictionOf(process);
  checkGiven(process);
  return categoricalDiffusion(noiseScheduleOf(process), TRANSITIONS[noise](classes));
}

/** @throws ConfigError if the schedule is one that is learned. */
export function checkGiven({ schedule }: Pick<ProcessConfig, 'schedule'>): void {
  if (schedule.kind !== 'learned') return;
  throw new ConfigError(
    'process.schedule.kind is learned: expected a schedule that is given, since a learned one is that of a network for numbers, trained with it from the command line.',
  );
}

/** The noises on classes by their names in a config. */
const TRANSITIONS: Readonly<
  Record<Exclude<ProcessConfig['noise'], 'gaussian'>, (classes: number) => Transition>
> = {
  uniform: uniformTransition,
  absorbing: absorbingTransition,
  'discretised-gaussian': gaussianTransition,
};

type ForwardConfig = Pick<ProcessConfig, 'schedule' | 'zeroTerminalSnr' | 'noise'>;

/** The schedule of a process, brought to zero signal at its end where that is asked for. */
export function noiseScheduleOf({
  schedule,
  zeroTerminalSnr,
}: Pick<ProcessConfig, 'schedule' | 'zeroTerminalSnr'>): NoiseSchedule {
  const plain = scheduleOf(schedule);
  if (!zeroTerminalSnr) return plain;
  if (isDiscrete(plain)) return rescaleToZeroTerminalSnr(plain);
  throw new ConfigError(
    `process.zeroTerminalSnr is true: expected false, since the ${schedule.kind} schedule has no steps to rescale.`,
  );
}

/** Whether a process is one on classes. */
export function isCategorical(
  forward: ForwardProcess | CategoricalDiffusion,
): forward is CategoricalDiffusion {
  return 'classes' in forward;
}

/** Whether a schedule is one of steps, with a β each. */
export function isDiscrete(schedule: NoiseSchedule): schedule is DiscreteSchedule {
  return 'betas' in schedule;
}

/**
 * What the network of a config predicts.
 * @throws ConfigError if σ_data is yet to be measured, or is given where nothing asks for it.
 */
export function predictionOf({
  predicts,
  sigmaData,
}: Pick<ProcessConfig, 'predicts' | 'sigmaData'>): Prediction {
  if (predicts !== 'edm') {
    if (sigmaData === DEFAULT_SIGMA_DATA) return PREDICTIONS[predicts];
    throw new ConfigError(
      `process.sigmaData is ${sigmaData}: expected ${DEFAULT_SIGMA_DATA}, its default, since a network that predicts ${predicts} needs no deviation of the data.`,
    );
  }
  if (sigmaData !== null) return edmPrediction({ sigmaData });
  throw new ConfigError(
    'process.sigmaData is null: expected the deviation of the data, which is measured before a run begins.',
  );
}

const DEFAULT_SIGMA_DATA = 0.5;

/**
 * The reverse process of a network. `clips` keeps its x_0 within ±clip of the config: for images, where nothing is learned
 * from it.
 * @throws as `reverseProcess` does, where prediction, variance and schedule do not go together.
 */
export function reverseOf(
  forward: ForwardProcess,
  process: Pick<ProcessConfig, 'predicts' | 'sigmaData' | 'variance' | 'clip'>,
  denoiser: Denoiser,
  clips: boolean,
): GaussianReverseProcess {
  const { variance, clip } = process;
  return reverseProcess({
    forward,
    denoiser,
    predicts: predictionOf(process),
    variance: VARIANCES[variance],
    clip: clips && clip !== null && [-clip, clip],
  });
}

/** What is given of some options, the others having defaults of their own. */
function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]: Exclude<T[K], undefined> };
}
