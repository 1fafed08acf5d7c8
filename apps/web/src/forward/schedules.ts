import type { SteppedSchedule } from '@diffusion-ts/recipes';

/** The schedules that a visitor can pick, by their names in a config. */
export const SCHEDULES = [
  'linear',
  'cosine',
  'sigmoid',
  'quadratic',
  'constant-fraction',
] as const satisfies readonly SteppedSchedule[];
