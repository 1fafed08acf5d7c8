import type { Prediction } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';

/**
 * The weight w_t of each timestep in the simple loss, as a float64 table: it multiplies the error of what the network
 * predicts, whatever that is.
 */
export type Weighting = (schedule: NoiseSchedule, predicts: Prediction) => Float64Array;

/** L_simple as it stands (Ho et al. 2020, eq. 14): every timestep weighs 1. */
export const uniform: Weighting = (schedule) => new Float64Array(schedule.steps).fill(1);

/**
 * Min-SNR-γ (Hang et al. 2023): the squared error of x_0 weighs min(SNR, γ). That is min(SNR, γ)/SNR on ε and
 * min(SNR, γ)/(SNR + 1) on v. The paper takes γ = 5.
 * @throws RangeError if γ is not positive.
 */
export function minSnr(gamma = 5): Weighting {
  if (!(gamma > 0)) throw new RangeError(`gamma must be positive, not ${gamma}`);
  return ofSquaredErrorOfX0((snr) => Math.min(snr, gamma));
}

/**
 * P2 (Choi et al. 2022, eq. 8): the squared error of ε weighs 1/(k + SNR)^γ. The paper takes k = 1 and γ = 0.5 or 1.
 * @throws RangeError if k is not positive, or γ is negative.
 */
export function p2({ k = 1, gamma = 1 }: { k?: number; gamma?: number } = {}): Weighting {
  if (!(k > 0)) throw new RangeError(`k must be positive, not ${k}`);
  if (!(gamma >= 0)) throw new RangeError(`gamma must not be negative, not ${gamma}`);
  return ofSquaredErrorOfX0((snr) => snr / (k + snr) ** gamma);
}

/**
 * The squared error of x_0 weighs SNR (Salimans and Ho 2022, section 4): the same as an unweighted error of ε, whatever
 * the network predicts.
 */
export const x0Snr: Weighting = ofSquaredErrorOfX0((snr) => snr);

/** The weighting under which the squared error of x_0 that follows from the prediction weighs `weight(SNR)`. */
function ofSquaredErrorOfX0(weight: (snr: number) => number): Weighting {
  return (schedule, predicts) =>
    schedule.snr.map((snr, t) => weight(snr) / squaredErrorPerX0(schedule, predicts, snr, t));
}

/** (error of the prediction)² / (error of x_0)², x_t being given. */
function squaredErrorPerX0(schedule: NoiseSchedule, predicts: Prediction, snr: number, t: number): number {
  switch (predicts) {
    case 'x0':
      return 1;
    case 'epsilon':
      return snr;
    case 'v':
      return snr + 1;
    case 'previous':
      return schedule.posteriorMeanCoefX0[t]! ** 2;
  }
}
