import {
  continuous,
  cosine,
  linear,
  type NoiseSchedule,
  rectified,
  varianceExploding,
} from '@diffusion-ts/schedules';

export const discrete = (steps: number): NoiseSchedule =>
  linear({ steps, start: 0.1 / steps, end: Math.min(0.9, 20 / steps) });

/** Schedules of continuous time, by name. */
export const CONTINUOUS: Readonly<Record<string, NoiseSchedule>> = {
  rectified: rectified(),
  varianceExploding: varianceExploding(),
  continuous: continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))),
};

/** Discrete ones. */
export const DISCRETE: Readonly<Record<string, NoiseSchedule>> = {
  linear: linear({ steps: 1000 }),
  cosine: cosine({ steps: 64 }),
};
