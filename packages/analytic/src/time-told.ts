import type { Prediction } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';

/** A number that a network is told is as good as this, relative to its size, where a backend computes in float16. */
const ROUNDING = 2 ** -10;

/**
 * The time that a network is told of. What a prediction tells only ever rises with time, or only ever falls, so a
 * bisection finds the time at which it tells just this.
 * @throws RangeError, when called, if no time of the schedule is told so.
 */
export function timeTold(schedule: NoiseSchedule, predicts: Prediction): (told: number) => number {
  const { start, end } = schedule;
  const tell = (t: number): number => predicts.at(schedule.level(t), schedule).told ?? t;
  const find = inverse();
  return (told) => {
    const t = find(told);
    const nearest = tell(t);
    if (nearest === told || Math.abs(nearest - told) <= ROUNDING * Math.abs(told)) return t;
    throw new RangeError(
      `told is ${told}, which a network that predicts ${predicts.name} is told at no time of the schedule, ${start} … ${end}`,
    );
  };

  function inverse(): (told: number) => number {
    if (predicts.at(schedule.level(end), schedule).told === undefined) {
      return (told) => Math.min(Math.max(told, start), end);
    }
    const rises = tell(end) > tell((start + end) / 2);
    return (told) => bisect(start, end, (t) => (rises ? tell(t) < told : tell(t) > told));
  }
}

/** Where between two numbers a condition that holds at the first ceases to hold, to the last bit; else the second. */
function bisect(from: number, to: number, holds: (x: number) => boolean): number {
  let [low, high] = [from, to];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return high;
    if (holds(middle)) low = middle;
    else high = middle;
  }
}
