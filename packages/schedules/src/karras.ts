import { checkCount, checkPositive } from './check.js';
import { linspace } from './linear.js';

/**
 * The noise levels σ_0 = sigmaMax > … > σ_{steps−1} = sigmaMin, evenly spaced in σ^(1/ρ): eq. 5 of Karras et al. 2022,
 * without the σ = 0 that ends a sampler's grid. One step gives sigmaMax alone.
 *
 * @throws RangeError where `steps` is no positive integer, an argument is not positive, or sigmaMin > sigmaMax.
 */
export function karras({
  steps,
  sigmaMin = 0.002,
  sigmaMax = 80,
  rho = 7,
}: {
  steps: number;
  sigmaMin?: number;
  sigmaMax?: number;
  rho?: number;
}): Float64Array {
  checkCount('steps', steps);
  checkPositive('sigmaMin', sigmaMin);
  checkPositive('sigmaMax', sigmaMax);
  checkPositive('rho', rho);
  if (sigmaMin > sigmaMax) {
    throw new RangeError(`sigmaMin is ${sigmaMin}, expected at most sigmaMax, which is ${sigmaMax}`);
  }
  return linspace(sigmaMax ** (1 / rho), sigmaMin ** (1 / rho), steps).map((root) => root ** rho);
}
