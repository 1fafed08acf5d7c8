import type { Prediction } from '@diffusion-ts/reverse-process';
import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';

/** For data N(m, s² I) a quantity of diffusion is, averaged over all x_0 that x_t may come from, ofXt · x_t + ofMean · m. */
export interface Affine {
  readonly ofXt: number;
  readonly ofMean: number;
}

/** What is asked about x_t at a level, answered for round Gaussian data of a deviation; float64. */
export type Quantity = (level: NoiseLevel) => (deviation: number) => Affine;

/** Var[x_t] = α² s² + σ², element by element, for data of deviation s. */
export function marginalVariance({ alpha, sigma }: NoiseLevel, deviation: number): number {
  return (alpha * deviation) ** 2 + sigma ** 2;
}

/** E[x_0 | x_t] = m + (α s² / Var[x_t]) (x_t − α m). */
export const cleanMean: Quantity = (level) => (deviation) => {
  const variance = marginalVariance(level, deviation);
  return { ofXt: (level.alpha * deviation ** 2) / variance, ofMean: level.sigma ** 2 / variance };
};

/** ∇ ln q(x_t) = (α m − x_t) / Var[x_t]. */
export const logGradient: Quantity = (level) => (deviation) => {
  const variance = marginalVariance(level, deviation);
  return { ofXt: -1 / variance, ofMean: level.alpha / variance };
};

/**
 * What a prediction F is on average. x_0 = skip · x_t + out · F and x_t = α x_0 + σ ε leave
 * F = ((1 − α skip) x_0 − σ skip ε) / out, where E[ε | x_t] = −σ ∇ ln q(x_t). With x_t in the place of ε the digits of F
 * would go where `out` is small.
 */
export function predictedMean(predicts: Prediction, schedule: NoiseSchedule): Quantity {
  return (level) => {
    const { skip, out } = predicts.at(level, schedule);
    const ofX0 = (1 - level.alpha * skip) / out;
    const ofScore = (level.sigma ** 2 * skip) / out;
    if (!Number.isFinite(ofX0) || !Number.isFinite(ofScore)) {
      throw new RangeError(
        `predicts is ${predicts.name}, which is not defined at t = ${level.t}, where the signal is ${level.alpha} and the noise ${level.sigma}`,
      );
    }
    return (deviation) => {
      const [x0, score] = [cleanMean(level)(deviation), logGradient(level)(deviation)];
      return {
        ofXt: ofX0 * x0.ofXt + ofScore * score.ofXt,
        ofMean: ofX0 * x0.ofMean + ofScore * score.ofMean,
      };
    };
  };
}
