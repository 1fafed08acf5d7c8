import { isPureNoise, type NoiseLevel, type NoiseSchedule } from '@diffusion-ts/schedules';

/**
 * The level in the middle of a step in λ = ln(α/σ), where σ/α is the geometric mean of the two; none on the way to the
 * data, or from pure noise, which are infinitely far, or as far as float32 can tell.
 */
export function halfway(from: NoiseLevel, to: NoiseLevel, schedule: NoiseSchedule): NoiseLevel | undefined {
  if (to.sigma === 0 || isPureNoise(from)) return undefined;
  return schedule.level(schedule.timeOf((from.logSnr + to.logSnr) / 2));
}
