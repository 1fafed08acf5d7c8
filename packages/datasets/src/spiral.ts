import type { Dataset } from './dataset.js';
import { type PointsOptions, points } from './points.js';

/**
 * Two arms of one turn and a half, the classes `first` and `second`, each the other one turned by half a turn: the point
 * at the angle 3π√u, u uniform in [0, 1), lies at the distance √u, with Gaussian noise of standard deviation 0.02. The
 * arms are in [−1, 1].
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function spiral(options: PointsOptions): Dataset {
  return points(
    options,
    ({ uniform, normal }) => {
      const label = uniform[1] < 0.5 ? 0 : 1;
      const radius = (label === 0 ? 1 : -1) * Math.sqrt(uniform[0]);
      const angle = 3 * Math.PI * Math.sqrt(uniform[0]);
      return [
        radius * Math.cos(angle) + 0.02 * normal[0],
        radius * Math.sin(angle) + 0.02 * normal[1],
        label,
      ];
    },
    ['first', 'second'],
  );
}
