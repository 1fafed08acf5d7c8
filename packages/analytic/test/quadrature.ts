import type { NoiseLevel } from '@diffusion-ts/schedules';

/** Σ f(x0) q(x_0) q(x_t | x_0) over a fine grid of x_0 in [−4, 4]; the densities may lack constant factors. */
function integral(
  density: (x0: number) => number,
  { alpha, sigma }: NoiseLevel,
  xt: number,
  f: (x0: number) => number,
): number {
  let sum = 0;
  for (let x0 = -4; x0 <= 4; x0 += 1e-3) {
    sum += f(x0) * density(x0) * Math.exp(-0.5 * ((xt - alpha * x0) / sigma) ** 2);
  }
  return sum;
}

/** E[x_0 | x_t] in one dimension. */
export function conditionalMean(density: (x0: number) => number, level: NoiseLevel, xt: number): number {
  return integral(density, level, xt, (x0) => x0) / integral(density, level, xt, () => 1);
}

/** The slope of ln q(x_t) in one dimension. */
export function logSlope(density: (x0: number) => number, level: NoiseLevel, xt: number): number {
  const step = 1e-4 * level.sigma;
  const [above, below] = [xt + step, xt - step].map((x) => Math.log(integral(density, level, x, () => 1)));
  return (above! - below!) / (2 * step);
}
