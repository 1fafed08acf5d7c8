import type { Dataset } from './dataset.js';
import { type PointsOptions, points } from './points.js';

/**
 * A roll of one turn and a half: the point at angle φ, uniform in [1.5π, 4.5π), lies at the distance φ/4.5π from the
 * middle (the two coordinates of the Swiss roll that Sohl-Dickstein et al. 2015 learn), with Gaussian noise of standard
 * deviation 0.02. The roll is in [−1, 1].
 * @throws RangeError where `size` is no positive integer or `seed` not in 0 … 2⁵³ − 1.
 */
export function swissRoll(options: PointsOptions): Dataset {
  return points(options, ({ uniform, normal }) => {
    const angle = 1.5 * Math.PI * (1 + 2 * uniform[0]);
    const radius = angle / (4.5 * Math.PI);
    return [radius * Math.cos(angle) + 0.02 * normal[0], radius * Math.sin(angle) + 0.02 * normal[1]];
  });
}
