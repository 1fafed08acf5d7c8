import {
  constantFraction,
  cosine,
  linear,
  type NoiseSchedule,
  quadratic,
  rescaleToZeroTerminalSnr,
  sigmoid,
} from '@diffusion-ts/schedules';

/** The schedules that a visitor can pick, by the names that the command line uses. */
export const SCHEDULES = {
  linear,
  cosine,
  sigmoid,
  quadratic,
  'constant-fraction': constantFraction,
} as const satisfies Record<string, (options: { steps: number }) => NoiseSchedule>;

export type ScheduleName = keyof typeof SCHEDULES;

export const SCHEDULE_NAMES = Object.keys(SCHEDULES) as ScheduleName[];

export { type NoiseSchedule, rescaleToZeroTerminalSnr };
