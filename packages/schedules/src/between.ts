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
 * β = σ_t² c. For one step of a discrete schedule c and α_t/α_s are those of its own β: the levels of a late, small step
 * are so much alike that their quotient has no digits left. Two levels without any signal have nothing in common.
 */
export function between(s: NoiseLevel, t: NoiseLevel): Between {
  const isStep = t.beta !== undefined && s.t === t.t - 1 && s.sigma > 0;
  const noise = t.sigma ** 2;
  const c = isStep ? t.beta / noise : s.alpha === 0 ? 1 : -Math.expm1(t.logSnr - s.logSnr);
  const ratio = isStep ? Math.sqrt(1 - t.beta) : s.alpha === 0 ? 0 : t.alpha / s.alpha;
  return {
    ofX0: s.alpha * c,
    ofXt: (s.sigma / t.sigma) ** 2 * ratio,
    variance: s.sigma ** 2 * c,
    beta: noise * c,
  };
}
