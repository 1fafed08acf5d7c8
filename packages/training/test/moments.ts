import { expect } from 'vitest';

export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Asserts mean and deviation within four standard errors, those of a normal distribution. */
export function expectNormal(values: ArrayLike<number>, center: number, deviation: number): void {
  const n = values.length;
  const middle = mean(values);
  const spread = Math.sqrt(mean(Array.from(values, (value) => (value - middle) ** 2)));
  expect(Math.abs(middle - center), `mean ${middle}`).toBeLessThan((4 * deviation) / Math.sqrt(n));
  expect(Math.abs(spread - deviation), `deviation ${spread}`).toBeLessThan(
    (4 * deviation) / Math.sqrt(2 * n),
  );
}

/** Asserts that the distribution function nowhere differs by more than chance lets it in one case of 10⁴ (Kolmogorov). */
export function expectUniform(values: ArrayLike<number>, start: number, end: number): void {
  const n = values.length;
  const parts = Array.from(values, (value) => (value - start) / (end - start)).sort((a, b) => a - b);
  const worst = Math.max(...parts.map((u, i) => Math.max(u - i / n, (i + 1) / n - u)));
  expect(worst).toBeLessThan(2.23 / Math.sqrt(n));
}
