import { fromBetas, type NoiseSchedule, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { SCHEDULES, type ScheduleName } from './schedules.js';

export type ImagePrediction = 'epsilon' | 'x0' | 'v' | 'previous';
export type ImageVariance = 'fixedSmall' | 'fixedLarge' | 'learned' | 'learnedRange';

/** What the lab needs to know of a trained model of images. */
export interface ImageRun {
  /** The configuration of the U-Net; the network checks it. */
  readonly model: Record<string, unknown>;
  readonly schedule: NoiseSchedule;
  readonly predicts: ImagePrediction;
  readonly variance: ImageVariance;
  /** Whether the last label means "no class". */
  readonly hidesLabels: boolean;
}

const PREDICTIONS = ['epsilon', 'x0', 'v', 'previous'] as const;
const VARIANCES = ['fixedSmall', 'fixedLarge', 'learned', 'learnedRange'] as const;

/**
 * Reads the `config.json` of a run of the command line, as far as sampling needs it.
 * @throws RangeError naming the setting that is missing or cannot be used.
 */
export function readRunConfig(json: unknown): ImageRun {
  const config = object('config.json', json);
  const { _class_name: name, ...model } = object('model', config.model);
  if (name !== 'UNet2DModel') {
    throw new RangeError(`model._class_name is ${JSON.stringify(name)}, but only a UNet2DModel draws images`);
  }
  const process = object('process', config.process);
  const training = config.training === undefined ? {} : object('training', config.training);
  const schedule = scheduleOf(object('process.schedule', process.schedule));
  return {
    model,
    schedule: process.zeroTerminalSnr === true ? rescaleToZeroTerminalSnr(schedule) : schedule,
    predicts: oneOf('process.predicts', process.predicts ?? 'epsilon', PREDICTIONS),
    variance: oneOf('process.variance', process.variance ?? 'fixedSmall', VARIANCES),
    hidesLabels: (training.labelDropout ?? 0.1) !== 0,
  };
}

function scheduleOf({ kind, ...options }: Record<string, unknown>): NoiseSchedule {
  if (kind === 'betas') {
    if (!Array.isArray(options.betas))
      throw new RangeError('process.schedule.betas must be a list of numbers');
    return fromBetas(options.betas as number[]);
  }
  const name = oneOf('process.schedule.kind', kind, Object.keys(SCHEDULES) as ScheduleName[]);
  const { steps } = options;
  if (typeof steps !== 'number' || !(steps <= 100_000)) {
    throw new RangeError(
      `process.schedule.steps must be a number up to 100000, not ${JSON.stringify(steps)}`,
    );
  }
  return SCHEDULES[name]({ ...options, steps });
}

function object(name: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new RangeError(`${name} must be an object, not ${JSON.stringify(value) ?? 'missing'}`);
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw new RangeError(`${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}
