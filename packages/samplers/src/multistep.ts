import { between, type NoiseLevel } from '@diffusion-ts/schedules';
import { firstOrder } from './first-order.js';

/** Which equation a step of DPM-Solver++ solves, and how. */
export interface Equation {
  /** What e^λ is raised to in the weight of x̂_0(λ): 1 of the flow, 2 of the SDE. */
  readonly rate: 1 | 2;
  /** Whether the curvature is that of Taylor's formula, twice the established one. */
  readonly taylor?: boolean;
}

/**
 * The factors of x and of the predictions of x_0, the newest first, in a step of DPM-Solver++ to the first of the levels
 * from the second; those after it are where the earlier predictions were made. With λ = ln(α/σ) it integrates
 * rate · α_s ∫ e^{−rate (λ_s − λ)} x̂_0(λ) dλ, x̂_0 the polynomial through its values.
 */
export function multistep(
  [to, from, ...past]: readonly [NoiseLevel, NoiseLevel, ...NoiseLevel[]],
  { rate, taylor = false }: Equation,
): { ofX: number; ofX0: readonly number[] } {
  const lambda = ({ logSnr }: NoiseLevel): number => logSnr / 2;
  const [ofX, first] = once(from, to, rate);
  if (past.length === 0) return { ofX, ofX0: [first] };

  // An earlier step from λ = −∞ is infinitely long: its difference has the weight h/∞ = 0.
  const h = lambda(to) - lambda(from);
  const h0 = lambda(from) - lambda(past[0]!);
  if (past.length === 1) {
    const slope = (first / 2) * (h / h0);
    return { ofX, ofX0: [first + slope, -slope] };
  }
  // The quadratic through three predictions in Newton's form: `second` weighs its slope, `third` its curvature.
  const h1 = lambda(past[0]!) - lambda(past[1]!);
  const [length, decay] = [rate * h, Math.expm1(-rate * h)];
  const second = to.alpha * (decay / length + 1);
  const third = -to.alpha * ((decay + length) / length ** 2 - 0.5) * (taylor ? 2 : 1);
  const curvature = (second * h0 + third * h) / (h0 + h1);
  const newer = (second + curvature) * (h / h0);
  const older = curvature * (h / h1);
  return { ofX, ofX0: [first + newer, -newer - older, older] };
}

/** The step of first order: on the flow, or the mean of q(x_s | x_t, x̂_0). */
function once(from: NoiseLevel, to: NoiseLevel, rate: 1 | 2): readonly [ofX: number, ofX0: number] {
  if (rate === 2) {
    const { ofXt, ofX0 } = between(to, from);
    return [ofXt, ofX0];
  }
  const { ofX, ofX0 } = firstOrder(from, to);
  return [ofX, ofX0];
}
