import { between, type NoiseLevel } from '@diffusion-ts/schedules';

/**
 * The noise of a step of which the part η is drawn anew, eq. 16 of Song, Meng & Ermon 2021: up² = η² β̃ of it, and
 * down² = σ_s² − up² are left of what is there. With η = 1 down is σ_s e^{−h}, h the step in λ = ln(α/σ), and all is the
 * posterior's.
 */
export function ancestralStep(from: NoiseLevel, to: NoiseLevel, eta: number): { down: number; up: number } {
  const { variance } = between(to, from);
  const up = eta * Math.sqrt(variance);
  return { down: Math.sqrt(Math.max(to.sigma ** 2 - up ** 2, 0)), up };
}

/** @throws RangeError unless η is a number in 0 … 1. */
export function checkEta(eta: number): void {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta must be a number in 0 … 1, not ${eta}`);
}
