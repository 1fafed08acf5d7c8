import type { Coefficients } from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';

/**
 * The weight of a noise level in the simple loss: it multiplies the error of what the network predicts. An error of x_0
 * is `out` times that, so what weighs (error of x_0)² by w weighs (error of the prediction)² by w · out².
 */
export type Weighting = (level: NoiseLevel, coefficients: Coefficients) => number;

/** L_simple as it stands (Ho et al. 2020, eq. 14): every level weighs 1. Of EDM's prediction, the loss of Karras et al. 2022. */
export const unweighted: Weighting = () => 1;

/**
 * The squared error of x_0 weighs SNR (Salimans and Ho 2022, section 4): the same as an unweighted error of ε, whatever
 * the network predicts.
 */
export const x0Snr: Weighting = ofX0((snr) => snr);

/** The squared error of x_0 weighs max(SNR, 1), truncated SNR (Salimans and Ho 2022, section 4): nothing is forgotten in noise. */
export const maxSnrOne: Weighting = ofX0((snr) => Math.max(snr, 1));

/**
 * The squared error of x_0 weighs SNR + 1 (Salimans and Ho 2022, section 4): where α² + σ² = 1 the same as an unweighted
 * error of v, whatever the network predicts.
 */
export const snrPlusOne: Weighting = ofX0((snr) => snr + 1);

/**
 * Min-SNR-γ (Hang et al. 2023): the squared error of x_0 weighs min(SNR, γ). That is min(SNR, γ)/SNR on ε and
 * min(SNR, γ)/(SNR + 1) on v. The paper takes γ = 5.
 * @throws RangeError if γ is not positive.
 */
export function minSnr(gamma = 5): Weighting {
  checkPositive('gamma', gamma);
  return ofX0((snr) => Math.min(snr, gamma));
}

/**
 * Soft min-SNR (Crowson et al. 2024): the squared error of x_0 weighs SNR γ/(SNR + γ), which goes over from SNR to γ
 * without a kink; γ = 1/σ_d², 4 by default.
 * @throws RangeError if γ is not positive.
 */
export function softMinSnr(gamma = 4): Weighting {
  checkPositive('gamma', gamma);
  return ofX0((snr) => gamma / (1 + gamma / snr));
}

/**
 * P2 (Choi et al. 2022, eq. 8): the squared error of ε weighs 1/(k + SNR)^γ. The paper takes k = 1 and γ = 0.5 or 1; the defaults are 1 and 1.
 * @throws RangeError if k is not positive, or γ is negative.
 */
export function p2({
  k = 1,
  gamma = 1,
}: {
  /** k, positive: it keeps the weight of pure noise finite. Default 1. */
  k?: number;
  /** γ, from 0 up: how much less clean levels weigh; 0 weighs all alike. Default 1. */
  gamma?: number;
} = {}): Weighting {
  checkPositive('k', k);
  if (!(gamma >= 0)) throw new RangeError(`gamma must not be negative, not ${gamma}`);
  return ofX0((snr) => snr / (k + snr) ** gamma);
}

/**
 * Sigmoid weighting (Kingma and Gao 2023; Hoogeboom et al. 2024): the squared error of ε weighs s(b − λ), s the logistic
 * function and λ the log-SNR. The lower the bias b, −1 by default, the more of the weight is on noisy levels; the shape is
 * that of `softMinSnr(e^b)`. Their losses are integrals over λ: here it also counts how the times drawn lie in λ.
 * @throws RangeError if b is not a number.
 */
export function sigmoidWeighting(bias = -1): Weighting {
  if (!Number.isFinite(bias)) throw new RangeError(`bias must be a number, not ${bias}`);
  return ofX0((snr) => 1 / (Math.exp(-bias) + 1 / snr));
}

/** The weighting under which the squared error of x_0 that follows from the prediction weighs `weight(SNR)`. */
function ofX0(weight: (snr: number) => number): Weighting {
  return ({ logSnr }, { out }) => weight(Math.exp(logSnr)) * out ** 2;
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0)) throw new RangeError(`${name} must be positive, not ${value}`);
}
