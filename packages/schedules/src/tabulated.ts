import { checkTime, dataLevel, preservingLevel, tooNoisy } from './level.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * The schedule with these β and ᾱ. Both are given, since a rescaled schedule fixes ᾱ and derives β while the others do
 * the reverse. Between whole times the log-SNR is linear; before the first, and before a last one of no signal, where
 * that has no meaning, the ratio of noise to signal, or of signal to noise, is.
 *
 * @throws RangeError where a β is not in (0, 1); the last one may be 1.
 */
export function tabulated(betas: Float64Array, alphaBars: Float64Array): DiscreteSchedule {
  checkBetas(betas);
  const steps = betas.length;
  const ends = { start: -1, end: steps - 1 };

  // σ² = 1 − ᾱ_t as a sum of positive terms: the subtraction itself would lose digits while ᾱ is near 1.
  let variance = 0;
  const variances = betas.map((beta, t) => {
    variance += (t === 0 ? 1 : alphaBars[t - 1]!) * beta;
    return alphaBars[t] === 0 ? 1 : variance;
  });
  const logSnrs = alphaBars.map((alphaBar, t) => Math.log(alphaBar / variances[t]!));

  return {
    steps,
    betas,
    ...ends,
    least: 0,
    level(t) {
      checkTime(t, ends);
      if (t === -1) return dataLevel(-1);
      const before = Math.floor(t);
      return before === t
        ? {
            t,
            alpha: Math.sqrt(alphaBars[t]!),
            sigma: Math.sqrt(variances[t]!),
            logSnr: logSnrs[t]!,
            beta: betas[t]!,
          }
        : preservingLevel(t, logSnrAt(logSnrs[before], logSnrs[before + 1]!, t - before));
    },
    timeOf(logSnr) {
      if (!(logSnr >= logSnrs[steps - 1]!))
        throw tooNoisy(logSnr, { t: steps - 1, logSnr: logSnrs[steps - 1]! });
      const after = firstAtMost(logSnrs, logSnr);
      return after - 1 + partAt(logSnrs[after - 1], logSnrs[after]!, logSnr);
    },
  };
}

/** The first index of a falling table whose entry is at most `value`; the last is. */
function firstAtMost(falling: Float64Array, value: number): number {
  let low = 0;
  let high = falling.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (falling[middle]! <= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The log-SNR at the part `u` of the way from one whole time to the next; `undefined` is the data's. */
function logSnrAt(from: number | undefined, to: number, u: number): number {
  const noSignal = to === Number.NEGATIVE_INFINITY;
  if (from === undefined) return (noSignal ? 2 * Math.log1p(-u) : to) - 2 * Math.log(u);
  return noSignal ? from + 2 * Math.log1p(-u) : from + u * (to - from);
}

/** Its inverse. */
function partAt(from: number | undefined, to: number, logSnr: number): number {
  const noSignal = to === Number.NEGATIVE_INFINITY;
  if (from === undefined) return noSignal ? 1 / (1 + Math.exp(logSnr / 2)) : Math.exp((to - logSnr) / 2);
  return noSignal ? -Math.expm1((logSnr - from) / 2) : (logSnr - from) / (to - from);
}

function checkBetas(betas: Float64Array): void {
  betas.forEach((beta, t) => {
    if (beta > 0 && beta < 1) return;
    if (beta === 1 && t === betas.length - 1) return;
    throw new RangeError(
      beta === 1
        ? `betas[${t}] is 1, but only the last β may be 1: nothing is left of x_0 after it`
        : `betas[${t}] is ${beta}, expected a number in (0, 1)`,
    );
  });
}
