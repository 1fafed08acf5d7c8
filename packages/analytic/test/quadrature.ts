/** Σ f(x0) q(x_0) q(x_t | x_0) over a fine grid of x_0 in [−4, 4]; the densities may lack constant factors. */
function integral(
  density: (x0: number) => number,
  alphaBar: number,
  xt: number,
  f: (x0: number) => number,
): number {
  let sum = 0;
  for (let x0 = -4; x0 <= 4; x0 += 1e-3) {
    sum += f(x0) * density(x0) * Math.exp((-0.5 * (xt - Math.sqrt(alphaBar) * x0) ** 2) / (1 - alphaBar));
  }
  return sum;
}

/** E[x_0 | x_t] in one dimension. */
export function conditionalMean(density: (x0: number) => number, alphaBar: number, xt: number): number {
  return integral(density, alphaBar, xt, (x0) => x0) / integral(density, alphaBar, xt, () => 1);
}

/** ln q(x_t) up to a constant. */
export function logMarginal(density: (x0: number) => number, alphaBar: number, xt: number): number {
  return Math.log(integral(density, alphaBar, xt, () => 1));
}
