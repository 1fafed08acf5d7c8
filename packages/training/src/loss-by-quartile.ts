import type { NoiseSchedule } from '@diffusion-ts/schedules';

/** One value for each quarter of the schedule, least noise first; undefined where no example fell. */
export type Quartiles = readonly [
  number | undefined,
  number | undefined,
  number | undefined,
  number | undefined,
];

/**
 * Σ w L / Σ w over the examples whose t is in each quarter of the schedule (Nichol & Dhariwal 2021 log the loss so):
 * the mean over the quarter's timesteps, whatever the distribution that t was drawn from.
 */
export function lossByQuartile(
  schedule: NoiseSchedule,
  t: Float64Array,
  losses: ArrayLike<number>,
  weights: ArrayLike<number>,
): Quartiles {
  const sums = [0, 0, 0, 0];
  const totals = [0, 0, 0, 0];
  t.forEach((time, i) => {
    const quarter = Math.min(Math.max(Math.floor(4 * partOf(schedule, time)), 0), 3);
    sums[quarter]! += weights[i]! * losses[i]!;
    totals[quarter]! += weights[i]!;
  });
  const mean = (quarter: number): number | undefined =>
    totals[quarter] === 0 ? undefined : sums[quarter]! / totals[quarter]!;
  return [mean(0), mean(1), mean(2), mean(3)];
}

/**
 * How far a time is from the data to the noise, in 0 … 1: the part of the steps, or in continuous time σ/(α + σ), which is t of
 * the straight path. EDM's σ runs to 80, and all that is learned lies in the first quarter of that.
 */
function partOf(schedule: NoiseSchedule, t: number): number {
  if (schedule.steps !== undefined) return t / schedule.steps;
  const { alpha, sigma } = schedule.level(t);
  return sigma / (alpha + sigma);
}
