import { said } from './check.js';
import type { NoiseLevel, NoiseSchedule } from './schedule.js';

/** A log-SNR below which the signal is lost in float32: σ/α = 2²³. */
export const PURE_NOISE: number = -2 * 23 * Math.LN2;

/** Whether nothing is left of the data: log-SNR −∞, or so low that float32 cannot tell it from that. */
export function isPureNoise({ logSnr }: Pick<NoiseLevel, 'logSnr'>): boolean {
  return logSnr < PURE_NOISE;
}

/** The data themselves. */
export function dataLevel(t: number): NoiseLevel {
  return { t, alpha: 1, sigma: 0, logSnr: Number.POSITIVE_INFINITY };
}

/** The level of a variance-preserving process, α² + σ² = 1, with this log-SNR: α² = s(λ), σ² = s(−λ), s the logistic function. */
export function preservingLevel(t: number, logSnr: number): NoiseLevel {
  return {
    t,
    alpha: 1 / Math.sqrt(1 + Math.exp(-logSnr)),
    sigma: 1 / Math.sqrt(1 + Math.exp(logSnr)),
    logSnr,
  };
}

/** @throws RangeError unless `t` is a time of the schedule. */
export function checkTime(t: number, { start, end }: Pick<NoiseSchedule, 'start' | 'end'>): void {
  if (typeof t !== 'number' || !(t >= start && t <= end)) {
    throw new RangeError(`t is ${said(t)}, expected a time of the schedule, ${start} … ${end}`);
  }
}

/** The refusal of a log-SNR below that of the noisiest level. */
export function tooNoisy(logSnr: number, { logSnr: last, t }: Pick<NoiseLevel, 't' | 'logSnr'>): RangeError {
  const both = (value: number): string => `${value} (σ/α = ${Math.exp(-value / 2)})`;
  return new RangeError(
    `logSnr is ${both(logSnr)}, expected at least ${both(last)}, that of the noisiest level of the schedule, at ${t}`,
  );
}
