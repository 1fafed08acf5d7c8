import type { LossHistory, TimestepSampler } from './timestep-sampler.js';

const REMEMBERED = 10;
// A timestep whose last losses were all 0 must still be looked at now and then.
const UNIFORM_PART = 0.001;

/**
 * Importance sampling by the second moment of the loss, eq. 18 of Nichol & Dhariwal 2021: p(t) ∝ √E[L_t²] over the last
 * ten losses of each timestep, mixed with a thousandth of the uniform distribution; uniform until every timestep has ten.
 * The history is part of the training state.
 */
export function importanceTimesteps(): TimestepSampler {
  return {
    draw(rng, size, steps, history) {
      const p = probabilities(history, steps);
      const cumulative = p.slice();
      for (let t = 1; t < steps; t++) cumulative[t]! += cumulative[t - 1]!;
      const uniform = rng.uniform([size]);
      const t = Int32Array.from(uniform.dataSync(), (u) =>
        firstAbove(cumulative, u * cumulative[steps - 1]!),
      );
      uniform.dispose();
      return { t, weights: Float32Array.from(t, (index) => 1 / (steps * p[index]!)) };
    },
    observe(history, steps, t, losses) {
      while (history.length < steps) history.push([]);
      t.forEach((index, i) => {
        const seen = history[index]!;
        seen.push(losses[i]!);
        if (seen.length > REMEMBERED) seen.shift();
      });
    },
  };
}

function probabilities(history: LossHistory, steps: number): Float64Array {
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
