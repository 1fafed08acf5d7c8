/**
 * How much signal and noise x_t = α x_0 + σ ε holds at a time. `logSnr` is λ = ln(α²/σ²) (Kingma et al. 2021): ∞ at the
 * data, −∞ at pure noise.
 */
export interface NoiseLevel {
  /** The time: a whole number or between two of them where the schedule is discrete. */
  readonly t: number;
  /** α, the factor of x_0: 1 at the data. */
  readonly alpha: number;
  /** σ, the deviation of the noise: 0 at the data. */
  readonly sigma: number;
  /** λ = ln(α²/σ²). */
  readonly logSnr: number;
  /** At a whole time of a discrete schedule: β of the step that leads to it, all of whose digits the levels do not keep. */
  readonly beta?: number;
}

/** How noise grows with time, in float64: everything Gaussian diffusion needs to know of it is the level at a time. */
export interface NoiseSchedule {
  /** How many whole times 0 … steps − 1 a discrete schedule has; absent where time is continuous. */
  readonly steps?: number;
  /** The time of the data: `level(start)` is α = 1, σ = 0. −1 of a discrete schedule, 0 of a continuous one. */
  readonly start: number;
  /** The time of the least noise that is worth a step: where a list of times ends before it goes to the data. */
  readonly least: number;
  /** The time of the most noise, from which a sampler starts. */
  readonly end: number;
  /**
   * The level at a time of start … end, between the whole times of a discrete schedule too.
   * @throws RangeError if the schedule has no such time.
   */
  level(t: number): NoiseLevel;
  /**
   * The time at which the log-SNR is this, the inverse of `level`.
   * @throws RangeError if the schedule never gets so noisy, or leaps over this log-SNR.
   */
  timeOf(logSnr: number): number;
}

/** A schedule of T steps, each of which adds noise of variance β. Index t is the papers' t + 1. */
export interface DiscreteSchedule extends NoiseSchedule {
  /** T: the whole times are 0 … steps − 1. */
  readonly steps: number;
  /** β_t of q(x_t | x_{t−1}) = N(√(1 − β_t) x_{t−1}, β_t I), eq. 2 of Ho et al. 2020. */
  readonly betas: Float64Array;
}
