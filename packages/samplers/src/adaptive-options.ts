import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseLevel, NoiseSchedule, Times } from '@diffusion-ts/schedules';
import { levelsAt } from './solver.js';

/** Between where an adaptive sampler finds its steps, and how exact they are. */
export interface AdaptiveOptions {
  /**
   * Of these times the first is where it begins, and the last but one where it ends and goes to the data; default from the
   * most noise of the schedule to the least. The others it finds.
   */
  readonly times?: Times;
  /** What the error of a step may be, for a number of size 1; relative to greater ones, absolute with lesser ones. */
  readonly tolerance?: number;
}

/** From the most noise to the least, and from there to the data: the times of a sampler that finds the others. */
function wholeWay(): Times {
  return ({ end, least, start }: NoiseSchedule) => Float64Array.of(end, least, start);
}

/** @throws RangeError unless a tolerance is a positive, finite number. */
export function checkTolerance(tolerance: number): void {
  if (tolerance > 0 && tolerance < Number.POSITIVE_INFINITY) return;
  throw new RangeError(`tolerance must be a positive, finite number, not ${tolerance}`);
}

/**
 * The levels where an adaptive sampler begins, where it ends, and the data.
 * @throws as `levelsAt` does.
 */
export function endsOf(
  times: Times = wholeWay(),
  reverse: ReverseProcess,
): readonly [NoiseLevel, NoiseLevel, NoiseLevel] {
  const levels = levelsAt(times, reverse);
  return [levels[0]!, levels.at(-2)!, levels.at(-1)!];
}
