import type { Variance } from '@diffusion-ts/reverse-process';
import { between, type DiscreteSchedule } from '@diffusion-ts/schedules';
import type { ExactGaussian } from './exact-gaussian.js';

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

/** The expectation over data N(m, s²) of the bound's terms, for exact means and the variance given. */
export function exactBound(
  schedule: DiscreteSchedule,
  {
    mean,
    deviation,
    reverseVariance,
  }: { mean: number; deviation: number } & Pick<ExactGaussian, 'reverseVariance'>,
  variance: Variance,
): ExactBound {
  if (variance.learned) {
    throw new RangeError(`variance is ${variance.name}, which a network says, expected one that is fixed`);
  }
  const { alpha, sigma } = schedule.level(schedule.end);
  const priorVariance = Math.max(sigma, 1) ** 2;
  const delta = Math.log(sigma ** 2 / priorVariance);
  const squares = (alpha ** 2 * (deviation ** 2 + mean ** 2)) / priorVariance;
  const prior = (squares + Math.expm1(delta) - delta) / (2 * Math.LN2);

  // E KL(N(μ̃, β̃) ‖ N(μ, σ²)) = ½ (ln(σ²/β̃) − 1 + E[β̃ + (μ̃ − μ)²]/σ²), and that expectation is the exact variance.
  const terms = Float64Array.from({ length: schedule.steps }, (_, t) => {
    const { offset } = variance.at(schedule, t, t - 1);
    const surplus = reverseVariance(schedule, t, t - 1) / Math.exp(offset);
    if (t === 0) return (Math.log(2 * Math.PI) + offset + surplus) / (2 * Math.LN2);
    const least = between(schedule.level(t - 1), schedule.level(t)).variance;
    return (offset - Math.log(least) - 1 + surplus) / (2 * Math.LN2);
  });
  return {
    prior,
    transitions: terms.slice(1),
    reconstruction: terms[0]!,
    bitsPerDim: terms.reduce((sum, bits) => sum + bits, prior),
  };
}
