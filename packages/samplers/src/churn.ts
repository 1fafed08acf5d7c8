import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';

/** How Karras et al. 2022 churn noise, algorithm 2: before a step x is raised to σ̂ = (1 + γ) σ by fresh noise. */
export interface Churn {
  /** S_churn: γ is this by the number of steps, and no more than √2 − 1, so that no more is added than there is. */
  readonly amount: number;
  /** S_min, the σ/α below which nothing is churned; default 0. */
  readonly min?: number;
  /** S_max, the σ/α above which nothing is churned; default ∞. */
  readonly max?: number;
  /** S_noise, the deviation of the noise in parts of what leads to σ̂; default 1. */
  readonly noise?: number;
}

/** @throws RangeError if a number of it is out of range. */
export function checkChurn({ amount, min = 0, max = Infinity, noise = 1 }: Churn): void {
  for (const [name, value] of Object.entries({ amount, min, noise }))
    if (!(value >= 0 && value < Infinity))
      throw new RangeError(`churn.${name} must be a finite number from 0 up, not ${value}`);
  if (!(max >= min)) throw new RangeError(`churn.max must be at least churn.min, ${min}, not ${max}`);
}

/** The level that each step from one of these to the next begins at: there, or where there is more noise of the schedule's. */
export function churned(
  levels: readonly NoiseLevel[],
  { amount, min = 0, max = Infinity }: Churn,
  schedule: NoiseSchedule,
): NoiseLevel[] {
  const gamma = Math.min(amount / (levels.length - 1), Math.SQRT2 - 1);
  const most = schedule.level(schedule.end);
  return levels.map((level) => {
    const ratio = level.sigma / level.alpha;
    const logSnr = Math.max(level.logSnr - 2 * Math.log1p(gamma), most.logSnr);
    if (level.sigma === 0 || ratio < min || ratio > max || logSnr >= level.logSnr) return level;
    return logSnr === most.logSnr ? most : schedule.level(schedule.timeOf(logSnr));
  });
}
