import { checkCount } from './check.js';
import { fromBetas } from './from-betas.js';
import type { NoiseSchedule } from './schedule.js';

/**
 * β_t linear in t, Ho et al. 2020, section 4.
 *
 * `start` and `end` default to 1e-4 and 0.02 scaled by 1000/steps, so that ᾱ_T stays near 4e-5 whatever the number of
 * steps (Nichol & Dhariwal 2021).
 *
 * @throws RangeError where `steps` is no positive integer, or `start` or `end` is not in (0, 1): the defaults leave it
 * at 20 steps and fewer.
 */
export function linear({
  steps,
  start,
  end,
}: {
  steps: number;
  start?: number;
  end?: number;
}): NoiseSchedule {
  checkCount('steps', steps);
  const bounds = betaBounds(steps, { start, end }, { start: 1e-4, end: 0.02 });
  return fromBetas(linspace(bounds.start, bounds.end, steps));
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

/** `count` evenly spaced numbers from `start` to `end`, both included; `start` alone where `count` is 1. */
export function linspace(start: number, end: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) =>
    i === count - 1 && i > 0 ? end : start + (i * (end - start)) / Math.max(count - 1, 1),
  );
}
