import { checkPositive } from './check.js';
import { checkTime, dataLevel, tooNoisy } from './level.js';
import type { NoiseLevel, NoiseSchedule } from './schedule.js';

const ENDS = { start: 0, end: 1 };

/**
 * The straight path of rectified flow (Liu et al. 2023) and flow matching (Lipman et al. 2023): x_t = (1 − σ) x_0 + σ ε,
 * from the data at t = 0 to pure noise at t = 1, with σ = s t / (1 + (s − 1) t), s the shift (eq. 23 of Esser et al. 2024).
 *
 * @throws RangeError where `shift` is not positive.
 */
export function rectified({
  shift = 1,
}: {
  /** s, positive; above 1 more of the time is spent in noise, as large images ask for. Default 1: σ = t. */
  shift?: number;
} = {}): NoiseSchedule {
  checkPositive('shift', shift);
  const level = (t: number): NoiseLevel => {
    if (t === 0) return dataLevel(0);
    const all = 1 - t + shift * t;
    const [alpha, sigma] = [(1 - t) / all, (shift * t) / all];
    return { t, alpha, sigma, logSnr: 2 * Math.log(alpha / sigma) };
  };
  return {
    ...ENDS,
    least: 1e-3,
    level(t) {
      checkTime(t, ENDS);
      return level(t);
    },
    timeOf(logSnr) {
      if (Number.isNaN(logSnr)) throw tooNoisy(logSnr, level(1));
      return 1 / (1 + shift * Math.exp(logSnr / 2));
    },
  };
}
