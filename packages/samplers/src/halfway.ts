import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';

/**
 * The level in the middle of a step in λ = ln(α/σ), where σ/α is the geometric mean of the two; none on the way to the
 * data, or from pure noise, which are infinitely far.
 */
export function halfway(from: NoiseLevel, to: NoiseLevel, schedule: NoiseSchedule): NoiseLevel | undefined {
  const logSnr = (from.logSnr + to.logSnr) / 2;
  return Number.isFinite(logSnr) ? schedule.level(schedule.timeOf(logSnr)) : undefined;
}
