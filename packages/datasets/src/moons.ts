import type { Dataset } from './dataset.js';
import { type PointsOptions, points } from './points.js';

/**
 * Two half circles of radius 2/3 that reach into each other, the classes `upper` and `lower`, with Gaussian noise of
 * standard deviation 0.03. The moons are in [−1, 1] × [−0.5, 0.5].
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function moons(options: PointsOptions): Dataset {
  return points(
    options,
    ({ uniform, normal }) => {
      const label = uniform[1] < 0.5 ? 0 : 1;
      // The lower moon is the upper one turned by half a turn about the origin.
      const side = label === 0 ? 1 : -1;
      const angle = Math.PI * uniform[0];
      const x = side * ((2 / 3) * Math.cos(angle) - 1 / 3);
      const y = side * ((2 / 3) * Math.sin(angle) - 1 / 6);
      return [x + 0.03 * normal[0], y + 0.03 * normal[1], label];
    },
    ['upper', 'lower'],
  );
}
