import type { NoiseSchedule } from '@diffusion-ts/schedules';

/** The terms of the variational bound in bits per dimension. */
export interface ExactBound {
  /** L_T. */
  readonly prior: number;
  /** L_{t−1} for index t = 1 … steps − 1, at entry t − 1. */
  readonly transitions: Float64Array;
  /** L_0. */
  readonly reconstruction: number;
  /** Their sum. */
  readonly bitsPerDim: number;
}

/** Var[x_{t−1} | x_t] by index for data of deviation s: β_t Var[x_{t−1}] / Var[x_t], and at index 0 Var[x_0 | x_1]. */
export function reverseVariance(schedule: NoiseSchedule, deviation: number): Float64Array {
  const marginal = (alphaBar: number): number => alphaBar * deviation ** 2 + 1 - alphaBar;
  return schedule.betas.map(
    (beta, t) => (beta * marginal(schedule.alphaBarsPrev[t]!)) / marginal(schedule.alphaBars[t]!),
  );
}

/** The expectation over data N(m, s²) of the bound's terms, for exact means and the variances given. */
export function gaussianBound(
  schedule: NoiseSchedule,
  mean: number,
  deviation: number,
  variances: Float64Array,
): ExactBound {
  const exact = reverseVariance(schedule, deviation);
  const lastAlphaBar = schedule.alphaBars[schedule.steps - 1]!;
  const logVariance = Math.log1p(-lastAlphaBar);
  const prior =
    (lastAlphaBar * (deviation ** 2 + mean ** 2) + Math.expm1(logVariance) - logVariance) / (2 * Math.LN2);
  // E KL(N(μ̃, β̃) ‖ N(μ, σ²)) = ½ (ln(σ²/β̃) − 1 + E[β̃ + (μ̃ − μ)²]/σ²), and that expectation is the exact variance.
  const terms = variances.map((variance, t) => {
    const surplus = exact[t]! / variance;
    return t === 0
      ? (Math.log(2 * Math.PI * variance) + surplus) / (2 * Math.LN2)
      : (Math.log(variance / schedule.posteriorVariance[t]!) - 1 + surplus) / (2 * Math.LN2);
  });
  return {
    prior,
    transitions: terms.slice(1),
    reconstruction: terms[0]!,
    bitsPerDim: terms.reduce((sum, bits) => sum + bits, prior),
  };
}
