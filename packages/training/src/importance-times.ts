import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { LossHistory, TimeSampler } from './time-sampler.js';

const REMEMBERED = 10;
// A timestep whose last losses were all 0 must still be looked at now and then.
const UNIFORM_PART = 0.001;

/**
 * Importance sampling by the second moment of the loss, eq. 18 of Nichol & Dhariwal 2021: p(t) ∝ √E[L_t²] over the last
 * ten losses of each timestep, mixed with a thousandth of the uniform distribution; uniform until every timestep has ten.
 * The batch is spread evenly over the cumulated probabilities from one random start, of 53 bits: each t alone has the
 * probability p, and the counts in a batch are the expected ones to within one. The history is part of the training state.
 *
 * @throws RangeError (when it draws) where time is continuous: it needs a discrete schedule.
 */
export function importanceTimes(): TimeSampler {
  return {
    draw(rng, size, schedule, history) {
      const steps = stepsOf(schedule);
      const p = probabilities(history, steps);
      const cumulative = p.slice();
      for (let t = 1; t < steps; t++) cumulative[t]! += cumulative[t - 1]!;
      const total = cumulative[steps - 1]!;
      const start = rng.doubles(1)[0]!;
      const t = Float64Array.from({ length: size }, (_, i) =>
        firstAbove(cumulative, ((start + i / size) % 1) * total),
      );
      return { t, weights: t.map((index) => 1 / (steps * p[index]!)) };
    },
    observe(history, schedule, t, losses) {
      while (history.length < stepsOf(schedule)) history.push([]);
      t.forEach((index, i) => {
        const seen = history[index]!;
        seen.push(losses[i]!);
        if (seen.length > REMEMBERED) seen.shift();
      });
    },
  };
}

function stepsOf({ steps }: NoiseSchedule): number {
  if (steps !== undefined) return steps;
  throw new RangeError(
    'importanceTimes remembers the losses of every timestep, and a schedule of continuous time has none',
  );
}

/** p(t) for t = 0 … steps − 1. */
export function probabilities(history: LossHistory, steps: number): Float64Array {
  const uniform = new Float64Array(steps).fill(1 / steps);
  if (history.length < steps || history.some((losses) => losses.length < REMEMBERED)) return uniform;
  const moments = Float64Array.from(history, (losses) =>
    Math.sqrt(losses.reduce((sum, loss) => sum + loss ** 2, 0) / losses.length),
  );
  const total = moments.reduce((sum, moment) => sum + moment, 0);
  if (total === 0) return uniform;
  return moments.map((moment) => ((1 - UNIFORM_PART) * moment) / total + UNIFORM_PART / steps);
}

/** The first index whose entry is above `value`. */
function firstAbove(cumulative: Float64Array, value: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
