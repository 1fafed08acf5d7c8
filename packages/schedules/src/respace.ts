import { checkCount } from './check.js';
import type { NoiseSchedule } from './schedule.js';
import { tables } from './tables.js';

/**
 * Which steps to keep: a number of them; one number for each of equally long sections of the schedule, from the data
 * to the noise; `ddimN`, N steps of constant stride from the first (Song et al. 2021); or `trailingN`, the last of each of
 * N equal parts (Lin et al. 2024, table 2), so that sampling starts at the last step and does not end on the first.
 */
export type Respacing = number | readonly number[] | `ddim${number}` | `trailing${number}`;

/**
 * A shorter schedule made of some steps of another: ᾱ is that of the kept steps, β_i = 1 − ᾱ_{S_i} / ᾱ_{S_{i−1}} (eq. 19
 * of Nichol & Dhariwal 2021), and `timesteps` tells the network which steps these were. Inside a section the first and
 * the last step are kept and the others spread evenly; a section of count 1 keeps its first step.
 *
 * @throws RangeError where a section, or the schedule, has fewer steps than are to be kept, or no constant stride gives N.
 */
export function respace(schedule: NoiseSchedule, spec: Respacing): NoiseSchedule {
  const kept = typeof spec === 'string' ? named(schedule.steps, spec) : sectioned(schedule.steps, spec);
  const betas = new Float64Array(kept.length);
  let t = 0;
  kept.forEach((last, i) => {
    // 1 − ∏ α over the steps since the last kept one, by logarithms: no digits are lost near 0, and no 0/0 after ᾱ = 0.
    let logAlpha = 0;
    for (; t <= last; t++) logAlpha += Math.log1p(-schedule.betas[t]!);
    betas[i] = -Math.expm1(logAlpha);
  });
  const pick = (table: Float64Array): Float64Array => Float64Array.from(kept, (index) => table[index]!);
  return tables(betas, pick(schedule.alphaBars), pick(schedule.timesteps));
}

function named(steps: number, spec: string): number[] {
  const [, name, digits] = /^(ddim|trailing)(.*)$/.exec(spec) ?? [];
  if (name === undefined) {
    throw new RangeError(`spec is '${spec}', expected a number, a list of numbers, 'ddimN' or 'trailingN'`);
  }
  const count = Number(digits);
  checkCount(`N of '${spec}'`, count);
  return name === 'ddim' ? strided(steps, spec, count) : trailing(steps, spec, count);
}

function trailing(steps: number, spec: string, count: number): number[] {
  if (count > steps)
    throw new RangeError(`spec is '${spec}', expected at most the ${steps} steps of the schedule`);
  return Array.from({ length: count }, (_, i) => roundHalfToEven((steps * (i + 1)) / count) - 1);
}

function strided(steps: number, spec: string, count: number): number[] {
  // ⌈steps/stride⌉ = count has a solution if the smallest stride that gives no more than count gives count.
  const stride = Math.ceil(steps / count);
  const nearest = Math.ceil(steps / stride);
  if (nearest !== count) {
    const more = stride > 1 ? ` or ${Math.ceil(steps / (stride - 1))}` : '';
    throw new RangeError(
      `spec is '${spec}', but no constant stride over ${steps} steps keeps ${count}: the nearest are ${nearest}${more}`,
    );
  }
  return Array.from({ length: count }, (_, i) => i * stride);
}

function sectioned(steps: number, spec: number | readonly number[]): number[] {
  const counts = typeof spec === 'number' ? [spec] : spec;
  if (counts.length === 0) throw new RangeError('spec is an empty list, expected a count for each section');
  const kept: number[] = [];
  let start = 0;
  counts.forEach((count, section) => {
    checkCount(typeof spec === 'number' ? 'spec' : `spec[${section}]`, count);
    // What does not divide evenly makes the first sections one step longer.
    const size = Math.floor(steps / counts.length) + (section < steps % counts.length ? 1 : 0);
    if (count > size) {
      throw new RangeError(`spec keeps ${count} steps of a section of ${size}, expected at most ${size}`);
    }
    const stride = count === 1 ? 1 : (size - 1) / (count - 1);
    let position = 0;
    for (let i = 0; i < count; i++, position += stride) kept.push(start + roundHalfToEven(position));
    start += size;
  });
  return kept;
}

// Halves occur (999/24 · 4 = 166.5), and the established respacing breaks them this way.
function roundHalfToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
