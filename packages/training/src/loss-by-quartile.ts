/** One value for each quarter of the schedule, least noise first; undefined where no example fell. */
export type Quartiles = readonly [
  number | undefined,
  number | undefined,
  number | undefined,
  number | undefined,
];

/**
 * Σ w L / Σ w over the examples whose t is in each quarter of the schedule (Nichol & Dhariwal 2021 log the loss so):
 * the mean over the quarter's timesteps, whatever the distribution that t was drawn from.
 */
export function lossByQuartile(
  steps: number,
  t: Int32Array,
  losses: ArrayLike<number>,
  weights: ArrayLike<number>,
): Quartiles {
  const sums = [0, 0, 0, 0];
  const totals = [0, 0, 0, 0];
  t.forEach((index, i) => {
    const quarter = Math.floor((4 * index) / steps);
    sums[quarter]! += weights[i]! * losses[i]!;
    totals[quarter]! += weights[i]!;
  });
  const mean = (quarter: number): number | undefined =>
    totals[quarter] === 0 ? undefined : sums[quarter]! / totals[quarter]!;
  return [mean(0), mean(1), mean(2), mean(3)];
}
