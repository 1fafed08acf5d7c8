/** A noise schedule as float64 tables of length `steps`; index t is the paper's t + 1. No entry is NaN. */
export interface NoiseSchedule {
  readonly steps: number;
  /** What a network is told at index t: t itself, unless the schedule was respaced. */
  readonly timesteps: Float64Array;
  readonly betas: Float64Array;
  /** α_t = 1 − β_t. */
  readonly alphas: Float64Array;
  /** ᾱ_t = ∏ α_s for s ≤ t. */
  readonly alphaBars: Float64Array;
  /** ᾱ_{t−1}, with 1 before the first step. */
  readonly alphaBarsPrev: Float64Array;
  /** ᾱ_t / (1 − ᾱ_t); exactly 0 where ᾱ_t = 0. */
  readonly snr: Float64Array;
  /** ln of `snr`; −Infinity, its limit, where ᾱ_t = 0. */
  readonly logSnr: Float64Array;
  /** β̃_t, eq. 7 of Ho et al. 2020; 0 at index 0, where x_0 is known. */
  readonly posteriorVariance: Float64Array;
  /** ln β̃_t, with entry 0 (where β̃ = 0) copied from entry 1, or ln β_0 where there is one step only. */
  readonly posteriorLogVarianceClipped: Float64Array;
  /** The factor of x_0 in the posterior mean, eq. 7 of Ho et al. 2020. */
  readonly posteriorMeanCoefX0: Float64Array;
  /** The factor of x_t in the posterior mean, eq. 7 of Ho et al. 2020. */
  readonly posteriorMeanCoefXt: Float64Array;
}
