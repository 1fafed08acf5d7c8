import { checkCount } from './check.js';
import { fromBetas } from './from-betas.js';
import type { DiscreteSchedule } from './schedule.js';
import { spaced } from './spaced.js';

/**
 * β_t linear in t, Ho et al. 2020, section 4.
 *
 * `start` and `end` default to 1e-4 and 0.02 scaled by 1000/steps, so that ᾱ_T stays near 4e-5 for hundreds of
 * steps and more (Nichol & Dhariwal 2021); with few it is less, 8e-9 at 21.
 *
 * @throws RangeError where `steps` is no positive integer, or `start` or `end` is not in (0, 1): the defaults leave it
 * at 20 steps and fewer.
 */
export function linear({
  steps,
  start,
  end,
}: {
  /** T, the number of steps. */
  steps: number;
  /** The first β, in (0, 1); default 1e-4 · 1000/steps. */
  start?: number;
  /** The last β, in (0, 1); default 0.02 · 1000/steps. */
  end?: number;
}): DiscreteSchedule {
  checkCount('steps', steps);
  const bounds = betaBounds(steps, { start, end }, { start: 1e-4, end: 0.02 });
  return fromBetas(spaced(bounds.start, bounds.end, steps));
}

interface Bounds {
  start: number;
  end: number;
}

/** The given bounds, or else the defaults of a thousand steps scaled by 1000/steps; refused outside (0, 1). */
export function betaBounds(
  steps: number,
  given: { [name in keyof Bounds]: number | undefined },
  atThousand: Bounds,
): Bounds {
  const bound = (name: keyof Bounds): number => {
    const beta = given[name] ?? (atThousand[name] * 1000) / steps;
    if (beta > 0 && beta < 1) return beta;
    throw new RangeError(
      given[name] === undefined
        ? `steps is ${steps}, too few for the default ${name}, ${atThousand[name]} scaled by 1000/steps, whose β is then ${beta} and not in (0, 1): take at least ${Math.floor(atThousand[name] * 1000) + 1} steps, give start and end, or use cosine or constantFraction`
        : `${name} is ${beta}, expected a β in (0, 1)`,
    );
  };
  return { start: bound('start'), end: bound('end') };
}
