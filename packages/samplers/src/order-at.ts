import type { SolverStep } from './solver.js';

// With fewer steps than these the last ones are of low order, which is more stable.
const FEW = 15;

/**
 * The order of a step of a multistep method that integrates exponentials: no more than there are predictions, and low at
 * the end, where a step to the data goes to λ = ∞.
 */
export function orderAt({ index, total, to }: SolverStep, order: number): number {
  const left = total - index;
  const most = total < FEW ? left : to.sigma === 0 ? 1 : order;
  return Math.min(order, index + 1, most);
}
