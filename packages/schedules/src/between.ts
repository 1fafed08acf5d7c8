import type { NoiseLevel } from './schedule.js';

/** The Gaussian conditionals of x between two levels, as numbers. */
export interface Between {
  /** The factor of x_0 in the mean of q(x_s | x_t, x_0). */
  readonly ofX0: number;
  /** The factor of x_t in that mean. */
  readonly ofXt: number;
  /** β̃, the variance of q(x_s | x_t, x_0); 0 where s is the data. */
  readonly variance: number;
  /** β, the variance of q(x_t | x_s) = N((α_t/α_s) x_s, β). */
  readonly beta: number;
}

/**
 * What lies between a level s and a noisier one t, of any schedule. With c = 1 − SNR_t/SNR_s (Kingma et al. 2021,
 * appendix A; eq. 6 and 7 of Ho et al. 2020 for s = t − 1): mean = α_s c x_0 + (σ_s²/σ_t²)(α_t/α_s) x_t, β̃ = σ_s² c and
 * β = σ_t² c.
 */
export function between(s: NoiseLevel, t: NoiseLevel): Between {
  const c = -Math.expm1(t.logSnr - s.logSnr);
  return {
    ofX0: s.alpha * c,
    ofXt: ((s.sigma / t.sigma) ** 2 * t.alpha) / s.alpha,
    variance: s.sigma ** 2 * c,
    beta: t.sigma ** 2 * c,
  };
}
