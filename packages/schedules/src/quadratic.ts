import { checkCount } from './check.js';
import { fromBetas } from './from-betas.js';
import { betaBounds } from './linear.js';
import type { DiscreteSchedule } from './schedule.js';
import { spaced } from './spaced.js';

/**
 * √β_t linear in t: the schedule of latent diffusion (Rombach et al. 2022), `scaled_linear` in diffusers.
 *
 * `start` and `end` default to that paper's 0.00085 and 0.012 scaled by 1000/steps.
 *
 * @throws RangeError where `steps` is no positive integer, or `start` or `end` is not in (0, 1): the defaults leave it
 * at 12 steps and fewer.
 */
export function quadratic({
  steps,
  start,
  end,
}: {
  /** T, the number of steps. */
  steps: number;
  /** The first β, in (0, 1); default 0.00085 · 1000/steps. */
  start?: number;
  /** The last β, in (0, 1); default 0.012 · 1000/steps. */
  end?: number;
}): DiscreteSchedule {
  checkCount('steps', steps);
  const bounds = betaBounds(steps, { start, end }, { start: 0.00085, end: 0.012 });
  const roots = spaced(Math.sqrt(bounds.start), Math.sqrt(bounds.end), steps);
  return fromBetas(roots.map((root) => root * root));
}
