import type { Dataset } from './dataset.js';
import { type PointsOptions, points } from './points.js';

const COMPONENTS = 8;

/**
 * Eight Gaussians of equal weight, the classes 0 … 7: component k has its mean at the distance 0.8 and the angle kπ/4,
 * and the standard deviation 0.05 in both directions. The points are in [−1, 1], but for about one in thirty thousand.
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function ringOfGaussians(options: PointsOptions): Dataset {
  return points(
    options,
    ({ uniform, normal }) => {
      const label = Math.floor(COMPONENTS * uniform[0]);
      const angle = (2 * Math.PI * label) / COMPONENTS;
      return [0.8 * Math.cos(angle) + 0.05 * normal[0], 0.8 * Math.sin(angle) + 0.05 * normal[1], label];
    },
    Array.from({ length: COMPONENTS }, (_, k) => String(k)),
  );
}
