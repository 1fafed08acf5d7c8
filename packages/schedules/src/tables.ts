import type { NoiseSchedule } from './schedule.js';

/**
 * Every table that follows from β and ᾱ. Both are given, since a respaced or rescaled schedule fixes ᾱ and derives β
 * while the others do the reverse.
 *
 * @throws RangeError where a β is not in (0, 1); the last one may be 1.
 */
export function tables(betas: Float64Array, alphaBars: Float64Array, timesteps: Float64Array): NoiseSchedule {
  const steps = betas.length;
  checkBetas(betas);

  const alphas = betas.map((beta) => 1 - beta);
  const alphaBarsPrev = Float64Array.from(alphaBars, (_, t) => (t === 0 ? 1 : alphaBars[t - 1]!));

  // 1 − ᾱ_t as a sum of positive terms: the subtraction itself would lose digits while ᾱ is near 1.
  const variances = new Float64Array(steps);
  for (let t = 0; t < steps; t++) {
    variances[t] = (t === 0 ? 0 : variances[t - 1]!) + alphaBarsPrev[t]! * betas[t]!;
  }

  const snr = alphaBars.map((alphaBar, t) => alphaBar / variances[t]!);
  const posteriorVariance = betas.map((beta, t) =>
    t === 0 ? 0 : (beta * variances[t - 1]!) / variances[t]!,
  );
  return {
    steps,
    timesteps,
    betas,
    alphas,
    alphaBars,
    alphaBarsPrev,
    snr,
    logSnr: snr.map(Math.log),
    posteriorVariance,
    posteriorLogVarianceClipped: posteriorVariance.map((variance, t) =>
      Math.log(t > 0 ? variance : (posteriorVariance[1] ?? betas[0]!)),
    ),
    posteriorMeanCoefX0: betas.map((beta, t) => (beta * Math.sqrt(alphaBarsPrev[t]!)) / variances[t]!),
    posteriorMeanCoefXt: alphas.map((alpha, t) =>
      t === 0 ? 0 : (Math.sqrt(alpha) * variances[t - 1]!) / variances[t]!,
    ),
  };
}

function checkBetas(betas: Float64Array): void {
  betas.forEach((beta, t) => {
    if (beta > 0 && beta < 1) return;
    if (beta === 1 && t === betas.length - 1) return;
    throw new RangeError(
      beta === 1
        ? `betas[${t}] is 1, but only the last β may be 1: nothing is left of x_0 after it`
        : `betas[${t}] is ${beta}, expected a number in (0, 1)`,
    );
  });
}

/** 0, 1, …, steps − 1. */
export function indices(steps: number): Float64Array {
  return Float64Array.from({ length: steps }, (_, t) => t);
}
