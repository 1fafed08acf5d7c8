import type { ScheduleName } from './schedules.js';

export const PLANE_DATA = ['mixture', 'moons', 'spiral', 'swiss-roll', 'checkerboard', 'drawn'] as const;
export type PlaneData = (typeof PLANE_DATA)[number];

export const PREDICTIONS = ['epsilon', 'x0', 'v'] as const;
export type PlanePrediction = (typeof PREDICTIONS)[number];

export const PLANE_LOSSES = ['simple', 'bound', 'hybrid'] as const;
export type PlaneLoss = (typeof PLANE_LOSSES)[number];

/** How long a run is; its learning rate falls until then. */
export const TRAIN_STEPS = 3000;

/** Everything that a run in the plane depends on. */
export interface PlaneConfig {
  readonly data: PlaneData;
  /** Points drawn by hand, x and y in turn; used where `data` is 'drawn'. */
  readonly drawn: Float32Array;
  readonly schedule: ScheduleName;
  /** T. */
  readonly steps: number;
  readonly predicts: PlanePrediction;
  readonly loss: PlaneLoss;
  readonly seed: number;
}

/** Each point drawn by hand stands for a Gaussian of this deviation, so that the data have a density and a score. */
export const DRAWN_DEVIATION = 0.03;
