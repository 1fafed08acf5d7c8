import { isPureNoise, type NoiseLevel, type Times } from '@diffusion-ts/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { firstOrderStep } from './first-order.js';
import { lagrange } from './lagrange.js';
import type { Sampler } from './sampler.js';
import { fromSolver, type Past } from './solver.js';

/** Where `unipc` stops on its way, and how it remembers. */
export interface UnipcOptions {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** p of UniP-p and UniC-p: how many predictions of x_0 a predictor rests on, 2 by default; its corrector on one more. */
  readonly order?: 1 | 2 | 3;
  /** B(h) of the paper: `bh1` or `bh2`, the default. */
  readonly b?: (h: number) => number;
}

/** B₁(h) = h of UniPC, which the paper advises without guidance and with few steps. */
export const bh1 = (h: number): number => h;
/** B₂(h) = e^h − 1 of UniPC. */
export const bh2 = (h: number): number => Math.expm1(h);

/**
 * UniPC (Zhao et al. 2023, arXiv 2302.04867), in x̂_0 and multistep (appendix A, algorithms 5 and 6 with B(−h)). With
 * h = λ_s − λ_t, D_k = x̂_0 at the step k before − x̂_0 and r_k its distance over h, UniP-p is
 * x_s = (σ_s/σ_t) x_t − α_s (e^{−h} − 1) x̂_0 − α_s B(−h) Σ ρ_k D_k/r_k, and UniC-p the same with the arrival, r = 1, as one
 * more D, the ρ solving Σ_k ρ_k r_k^{i−1} = i! h φ_{i+1}(−h)/B(−h).
 *
 * The corrector costs no evaluation: what the network sees where a step arrives is also what the next one starts with. So
 * each step here first corrects the x that the one before predicted, by the difference of the two formulas, and goes on
 * from there; `x` shows what was predicted, where the network looked. A step from pure noise is not corrected, as no
 * distance is left to measure by; the last, which goes to the data, is of first order, and the one before of second.
 * Of order p + 1; one evaluation of the network a step. Deterministic.
 *
 * @throws RangeError if the order is not 1, 2 or 3; when called as `fromSolver` does.
 */
export function unipc({ times, order = 2, b = bh2 }: UnipcOptions = {}): Sampler {
  if (![1, 2, 3].includes(order)) throw new RangeError(`order must be 1, 2 or 3, not ${order}`);
  /** How many predictions the predictor of a step rests on. */
  const lookBack = (index: number, total: number): number => Math.min(order, index + 1, total - index);
  return fromSolver(
    ({ x, x0, from, to, index, total, history }) => {
      const here: Seen = { level: from, x0 };
      const [before, ...earlier] = history;
      const corrected =
        before === undefined
          ? x
          : tf.add(x, correction(before, here, earlier.slice(0, lookBack(index - 1, total) - 1), b));
      const past = history.slice(0, lookBack(index, total) - 1);
      const first = firstOrderStep({ x: corrected, x0, from, to });
      return tf.add(first, moved(here, past, factors(from, to, past, b)));
    },
    { times, remembers: order },
  );
}

type Seen = Pick<Past, 'level' | 'x0'>;

/** What UniC-p has beyond UniP-p, in the step before from one level to another; `earlier` are those before that step. */
function correction(before: Seen, now: Seen, earlier: readonly Seen[], b: (h: number) => number): tf.Tensor {
  const known = [...earlier, now];
  const predicted = factors(before.level, now.level, earlier, b);
  const corrected = factors(before.level, now.level, known, b);
  return moved(
    before,
    known,
    corrected.map((factor, k) => factor - (predicted[k] ?? 0)),
  );
}

/** Σ factor (x̂_0 there − x̂_0 here). */
function moved(here: Seen, others: readonly Seen[], factors: readonly number[]): tf.Tensor {
  const terms = others.map(({ x0 }, k) => tf.mul(factors[k]!, tf.sub(x0, here.x0)));
  return tf.addN([tf.zerosLike(here.x0), ...terms]);
}

/** −α_s B(−h) ρ_k/r_k, the factor of each D_k; 0 for pure noise, and from there, where distances tell nothing. */
function factors(
  from: NoiseLevel,
  to: NoiseLevel,
  others: readonly Seen[],
  b: (h: number) => number,
): number[] {
  if (to.sigma === 0 || isPureNoise(from)) return others.map(() => 0);
  const h = (to.logSnr - from.logSnr) / 2;
  const finite = others.filter(({ level }) => !isPureNoise(level));
  const r = finite.map(({ level }) => (level.logSnr - from.logSnr) / 2 / h);
  // The paper takes ½ for one unknown, which is the solution to the order that counts.
  const rho = r.length === 1 ? [0.5] : lagrange(r, moments(-h, b(-h), r.length));
  const found = new Map(finite.map((one, k) => [one, (-to.alpha * b(-h) * rho[k]!) / r[k]!]));
  return others.map((one) => found.get(one) ?? 0);
}

/** i! z φ_{i+1}(z)/B, i = 1, 2 …, where φ_1(z) = (e^z − 1)/z and φ_{i+1}(z) = (φ_i(z) − 1/i!)/z. */
function moments(z: number, B: number, count: number): number[] {
  let phi = Math.expm1(z) / z;
  let factorial = 1;
  return Array.from({ length: count }, (_, k) => {
    factorial *= k + 1;
    phi = (phi - 1 / factorial) / z;
    return (factorial * z * phi) / B;
  });
}
