/**
 * The t that a visitor reads. Formulas count from 1, where x₀ are the data, and the packages' indices from 0: index t is
 * the time t + 1 on paper. Continuous time is read as it is.
 */
export function paperTime(t: number, steps: number | undefined): number {
  return steps === undefined ? Number(t.toFixed(2)) : Math.round(t) + 1;
}
