import type { ProcessConfig, SteppedSchedule } from '@diffusion-ts/recipes';

export const PLANE_DATA = ['mixture', 'moons', 'spiral', 'swiss-roll', 'checkerboard', 'drawn'] as const;
export type PlaneData = (typeof PLANE_DATA)[number];

export const PLANE_PREDICTIONS = [
  'epsilon',
  'x0',
  'v',
] as const satisfies readonly ProcessConfig['predicts'][];
export type PlanePrediction = (typeof PLANE_PREDICTIONS)[number];

export const PLANE_LOSSES = ['simple', 'bound', 'hybrid'] as const;
export type PlaneLoss = (typeof PLANE_LOSSES)[number];

/** How long a run is; its learning rate falls until then. */
export const TRAIN_STEPS = 3000;
/** As few points as can be learned, where they are drawn by hand. */
export const LEAST_POINTS = 3;
/** How many runs are kept. */
export const MAX_RUNS = 6;

/** Everything that a run in the plane depends on. */
export interface PlaneConfig {
  readonly data: PlaneData;
  /** Points drawn by hand, x and y in turn; used where `data` is 'drawn'. */
  readonly drawn: Float32Array;
  readonly schedule: SteppedSchedule;
  /** T. */
  readonly steps: number;
  readonly predicts: PlanePrediction;
  readonly loss: PlaneLoss;
  readonly seed: number;
}
