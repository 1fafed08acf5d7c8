import type { NoiseSchedule } from '@diffusion-ts/schedules';

/**
 * The probability with which each time 0 … steps − 1 is evaluated so that `count` of them are: 1 at index 0 (the decoder), and
 * elsewhere, up to 1, half in equal parts and half in proportion to the information about data of unit variance that the
 * step erases, ln(1 + SNR_{t−1}) − ln(1 + SNR_t). That is the shape of L_{t−1} for Gaussian data, so few terms estimate the
 * sum well; the equal part keeps every weight 1/π_t within twice that of equal chances, since a network that errs where next
 * to nothing is erased would have a rare term of any size.
 */
export function inclusion(schedule: NoiseSchedule, steps: number, count: number): Float64Array {
  const probabilities = new Float64Array(steps).fill(1);
  if (count >= steps) return probabilities;
  const information = Float64Array.from({ length: steps }, (_, t) => {
    const { logSnr } = schedule.level(t);
    return Math.max(logSnr, 0) + Math.log1p(Math.exp(-Math.abs(logSnr)));
  });
  const all = information[0]! - information[steps - 1]!;
  const shares = information.map((value, t) =>
    t === 0 ? 0 : ((information[t - 1]! - value) / all + 1 / (steps - 1)) / 2,
  );
  // What would exceed 1 is 1, and leaves less to share out among the others: repeat until nothing exceeds.
  const open = new Set(Array.from({ length: steps - 1 }, (_, i) => i + 1));
  for (let exceeding = true; exceeding; ) {
    exceeding = false;
    const left = count - (steps - open.size);
    const total = [...open].reduce((sum, t) => sum + shares[t]!, 0);
    for (const t of open) {
      probabilities[t] = (left * shares[t]!) / total;
      if (probabilities[t]! >= 1) {
        probabilities[t] = 1;
        open.delete(t);
        exceeding = true;
      }
    }
  }
  return probabilities;
}

/**
 * Systematic sampling: every certain timestep, and those others whose stretch of the summed probabilities holds a point
 * of the grid u, u + 1, … . With u uniform in [0, 1), t is among them with its probability, and their number is fixed.
 */
export function systematic(probabilities: Float64Array, u: number): number[] {
  const chosen: number[] = [];
  let sum = 0;
  probabilities.forEach((probability, t) => {
    if (probability === 1) {
      chosen.push(t);
    } else {
      if (Math.ceil(sum + probability - u) > Math.ceil(sum - u)) chosen.push(t);
      sum += probability;
    }
  });
  return chosen;
}
