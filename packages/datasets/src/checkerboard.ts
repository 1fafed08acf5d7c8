import type { Dataset } from './dataset.js';
import { type PointsOptions, points } from './points.js';

/**
 * Uniform on the eight dark squares of a board of 4×4 on [−1, 1)², the one at (−1, −1) among them.
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function checkerboard(options: PointsOptions): Dataset {
  return points(options, ({ uniform }) => {
    const square = Math.floor(8 * uniform[2]);
    const row = Math.floor(square / 2);
    const column = 2 * (square % 2) + (row % 2);
    return [(column + uniform[0]) / 2 - 1, (row + uniform[1]) / 2 - 1];
  });
}
