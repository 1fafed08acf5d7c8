import { rng } from '@diffusion-ts/tensor';
import type { Dataset } from './dataset.js';
import { fromArrays } from './from-arrays.js';
import type { PointsOptions } from './points.js';

const LENGTH = 20;
const PERIOD = 5;

/**
 * Binary heartbeats (Sohl-Dickstein et al. 2015, section 3.1.2): sequences of 20 bits with a 1 in every fifth place and 0
 * elsewhere, each of the five phases as likely, `[20]`. The truth is log₂ ⅕ = −2.322 bits per sequence.
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function heartbeat({ size, seed }: PointsOptions): Dataset {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size is ${size}, expected a whole number of at least 1`);
  }
  const phases = rng(seed).doubles(size);
  const values = new Float32Array(size * LENGTH);
  phases.forEach((u, i) => {
    for (let place = Math.floor(u * PERIOD); place < LENGTH; place += PERIOD) values[i * LENGTH + place] = 1;
  });
  return { ...fromArrays({ values, shape: [LENGTH] }), range: [0, 1] };
}
