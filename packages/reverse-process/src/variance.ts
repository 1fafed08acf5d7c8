import { between, type NoiseSchedule } from '@diffusion-ts/schedules';

/** Logarithms of the two extremes of Ho et al. 2020, section 3.2, for a step from t to s. */
export interface Extremes {
  /** ln β̃; where s is the data, and β̃ = 0, that of the step to t from the time after it. */
  readonly small: number;
  /** ln β. */
  readonly large: number;
}

/**
 * Which variance p_θ(x_s | x_t) has: ln σ² = offset + ofRaw · raw, `raw` being what the network says of it in the second
 * half of its channels.
 */
export interface Variance {
  /** As configs and checkpoints call it. */
  readonly name: string;
  /** Whether the network's last axis holds C channels of the prediction and C more of the variance. */
  readonly learned: boolean;
  /**
   * The two numbers of the step from t to s.
   * @throws RangeError where the schedule has no such time, or no such variance.
   */
  at(
    schedule: NoiseSchedule,
    t: number,
    s: number,
  ): {
    /** What ln σ² is where raw is 0. */
    readonly offset: number;
    /** The factor of raw; 0 where nothing is learned. */
    readonly ofRaw: number;
  };
}

/** σ² = β̃ (Ho et al. 2020, section 3.2): right for data that are one point. */
export const fixedSmall: Variance = {
  name: 'fixedSmall',
  learned: false,
  at: (schedule, t, s) => ({ offset: extremes(schedule, t, s).small, ofRaw: 0 }),
};

/** σ² = β (Ho et al. 2020, section 3.2): right for data that are noise; but at the data β̃, as in the step before. */
export const fixedLarge: Variance = {
  name: 'fixedLarge',
  learned: false,
  at(schedule, t, s) {
    const { small, large } = extremes(schedule, t, s);
    return { offset: s === schedule.start ? small : large, ofRaw: 0 };
  },
};

/** raw = v ∈ [−1, 1] for ln σ² that lies (v + 1)/2 of the way from ln β̃ to ln β (Nichol and Dhariwal 2021, eq. 15). */
export const learnedRange: Variance = {
  name: 'learnedRange',
  learned: true,
  at(schedule, t, s) {
    const { small, large } = extremes(schedule, t, s);
    return { offset: (large + small) / 2, ofRaw: (large - small) / 2 };
  },
};

/**
 * raw = ln σ² of the step to t − 1 that the network was trained on. For another step it lies as far between ln β̃ and ln β
 * of that step as it does between those of its own.
 * @throws RangeError (its numbers) where time is continuous.
 */
export const learnedVariance: Variance = {
  name: 'learned',
  learned: true,
  at(schedule, t, s) {
    if (schedule.steps === undefined) {
      throw new RangeError(
        "variance 'learned' is that of a step of a discrete schedule: in continuous time take 'learnedRange'",
      );
    }
    const trained = Math.max(t - 1, schedule.start);
    if (s === trained) return { offset: 0, ofRaw: 1 };
    const [own, asked] = [extremes(schedule, t, trained), extremes(schedule, t, s)];
    const ofRaw = (asked.large - asked.small) / (own.large - own.small);
    return { offset: asked.small - ofRaw * own.small, ofRaw };
  },
};

/** The variances by their names: what a config says is looked up here. */
export const VARIANCES: Readonly<Record<'fixedSmall' | 'fixedLarge' | 'learned' | 'learnedRange', Variance>> =
  {
    fixedSmall,
    fixedLarge,
    learned: learnedVariance,
    learnedRange,
  };

/** The extremes of the step from t to s. */
export function extremes(schedule: NoiseSchedule, t: number, s: number): Extremes {
  const from = schedule.level(t);
  const { variance, beta } = between(schedule.level(s), from);
  const large = Math.log(beta);
  if (variance > 0) return { small: Math.log(variance), large };
  const hasNext = schedule.steps !== undefined && t + 1 <= schedule.end;
  return { small: hasNext ? Math.log(between(from, schedule.level(t + 1)).variance) : large, large };
}
