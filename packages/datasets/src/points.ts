import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from './dataset.js';
import { fromArrays } from './from-arrays.js';

/** How many points, and the seed they are drawn from; point i does not depend on how many there are. */
export interface PointsOptions {
  /** How many points, from 1 on. */
  readonly size: number;
  /** A whole number in 0 … 2⁵³ − 1. */
  readonly seed: number;
}

/** The random numbers of one point: uniform ones in [0, 1) and standard normal ones. */
export interface Draws {
  readonly uniform: readonly [number, number, number];
  readonly normal: readonly [number, number];
}

/**
 * A dataset of points in the plane, each placed by its own draws, with a label where there are `classes`.
 *
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function points(
  { size, seed }: PointsOptions,
  place: (draws: Draws) => readonly [x: number, y: number, label?: number],
  classes?: readonly string[],
): Dataset {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size is ${size}, expected a whole number of at least 1`);
  }
  const random = rng(seed);
  const uniform = tf.tidy(() => random.uniform([size, 3]).dataSync());
  const normal = tf.tidy(() => random.normal([size, 2]).dataSync());
  const values = new Float32Array(2 * size);
  const labels = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const [x, y, label] = place({
      uniform: [uniform[3 * i]!, uniform[3 * i + 1]!, uniform[3 * i + 2]!],
      normal: [normal[2 * i]!, normal[2 * i + 1]!],
    });
    values.set([x, y], 2 * i);
    labels[i] = label ?? 0;
  }
  return fromArrays({ values, shape: [2], ...(classes && { labels, classes }) });
}
