import {
  continuous,
  cosine,
  linear,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';

/** Schedules of every kind, with times of theirs from little noise to the most, whole ones and others. */
export const FAMILIES: readonly (readonly [string, NoiseSchedule, readonly number[]])[] = [
  ['cosine', cosine({ steps: 20 }), [0, 3, 8.5, 14.25, 19]],
  ['linear', linear({ steps: 1000 }), [0, 5, 500.5, 999]],
  ['zero terminal SNR', rescaleToZeroTerminalSnr(linear({ steps: 100 })), [0, 41.5, 98.75, 99]],
  ['continuous', continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))), [0.01, 0.3, 0.99]],
  ['variance exploding', varianceExploding(), [0.002, 0.1, 1.7, 80]],
  ['rectified', rectified(), [0.01, 0.3, 0.99, 1]],
  ['rectified with shift', rectified({ shift: 3 }), [0.01, 0.3, 0.99, 1]],
];
