import type { NoiseLevel, Times } from '@diffusion-ts/schedules';
import { every } from '@diffusion-ts/schedules';
import { ancestralStep } from './ancestral.js';
import type { Sampler } from './sampler.js';
import { checkRng, levelsAt, walk } from './solver.js';

/** How often the way is gone again. */
export interface RepaintOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** j: after how many steps it goes back, and as many; default 10. */
  readonly jump?: number;
  /** r: how often each stretch is gone in all; default 10, and 1 is the ancestral sampler. */
  readonly resamplings?: number;
}

/**
 * RePaint (Lugmayr et al. 2022, section 4.2), for an `inpainted` process: ancestral steps that after every `jump` of them go
 * back up by the forward kernel q(x_t | x_s) and come down again, until each stretch was gone `resamplings` times, so that
 * what is made and what is known see each other's noise. With a jump of 1 it is algorithm 1; the last stretch ends at the
 * data and is gone once, as there. The network is evaluated nearly `resamplings` times as often.
 *
 * @throws RangeError if a number is no whole number from 1 on; when called as `fromSolver` does.
 */
export function repaint({ times = every(), jump = 10, resamplings = 10 }: RepaintOptions = {}): Sampler {
  for (const [name, n] of Object.entries({ jump, resamplings })) {
    if (!Number.isSafeInteger(n) || n < 1)
      throw new RangeError(`${name} must be a whole number from 1 on, not ${n}`);
  }
  return (reverse, xT, options = {}) => {
    const path = thereAndBack(levelsAt(times, reverse), jump, resamplings);
    checkRng(options.rng);
    return walk(ancestralStep, reverse, xT, path, options);
  };
}

/** The levels that are reached, and that from which each step begins. */
function thereAndBack(
  levels: readonly NoiseLevel[],
  jump: number,
  resamplings: number,
): { levels: NoiseLevel[]; begins: NoiseLevel[] } {
  const reached = [levels[0]!];
  const begins: NoiseLevel[] = [];
  const last = levels.length - 1;
  for (let first = 0; first < last; first += jump) {
    const end = Math.min(first + jump, last);
    for (let n = 0; n < (end === last ? 1 : resamplings); n++) {
      begins.push(...levels.slice(first, end));
      reached.push(...levels.slice(first + 1, end + 1));
    }
  }
  return { levels: reached, begins: [...begins, levels[last]!] };
}
