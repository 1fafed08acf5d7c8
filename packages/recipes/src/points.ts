import {
  checkerboard,
  type Dataset,
  moons,
  type PointsOptions,
  ringOfGaussians,
  spiral,
  swissRoll,
  withoutLabels,
} from '@diffusion-ts/datasets';
import type { RunConfig } from './config/schema.js';

/** To learn from, or to be tested on. */
export type Split = 'train' | 'test';

/** The `data` of a config whose examples are points of the plane. */
export type PointsConfig = Extract<RunConfig['data'], { size: number; labels: boolean }>;

/** The sets of points of the plane by their names in a config. */
export const POINTS: Readonly<Record<PointsConfig['kind'], (options: PointsOptions) => Dataset>> = {
  'swiss-roll': swissRoll,
  moons,
  checkerboard,
  spiral,
  'gaussian-mixture': ringOfGaussians,
};

/** Whether the data are points of the plane and not images. */
export function isPoints(config: RunConfig['data']): config is PointsConfig {
  return Object.hasOwn(POINTS, config.kind);
}

/**
 * The points of a config; those to be tested on are drawn anew.
 * @throws RangeError where `size` or the seed is out of range; to be tested on, the seed is one more.
 */
export function pointsOf({ kind, size, seed, labels }: PointsConfig, split: Split): Dataset {
  const dataset = POINTS[kind]({ size, seed: split === 'train' ? seed : seed + 1 });
  return labels ? dataset : withoutLabels(dataset);
}
