import { checkCount, checkList, checkPositive } from './check.js';
import { isPureNoise, PURE_NOISE } from './level.js';
import type { NoiseSchedule } from './schedule.js';
import { spaced } from './spaced.js';

/**
 * Which times a sampler visits: from noise to data, strictly falling, the last one `schedule.start`, where the samples
 * are done. A list of n + 1 times is n steps.
 */
export type Times = (schedule: NoiseSchedule) => Float64Array;

/**
 * All the steps of a discrete schedule, each once.
 * @throws RangeError (when called) where time is continuous.
 */
export function every(): Times {
  return (schedule) => {
    if (schedule.steps === undefined) {
      throw new RangeError(
        'every() was asked of a schedule of continuous time, which has no steps: give a number, as in trailing(50)',
      );
    }
    return toData(schedule, wholeTimes(schedule.steps));
  };
}

/**
 * n times of constant stride ⌊T/n⌋ from the first on (`leading` of diffusers): 0, stride, …; a single step starts from the
 * noise. Where time is continuous, n equal steps.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function leading(n: number): Times {
  checkCount('n', n);
  return discrete(n, (steps) => {
    if (n === 1) return [steps - 1];
    const stride = Math.floor(steps / n);
    return Array.from({ length: n }, (_, i) => i * stride);
  });
}

/**
 * n times of constant stride ⌈T/n⌉ from the first on, of which as many as there are room in the T steps: DDIM's (Song et
 * al. 2021), as Nichol & Dhariwal 2021 space it. Where n divides T it is `leading(n)`, else it gets nearer to the noise; a
 * single step starts from the noise. Where time is continuous, n equal steps.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps, or if there is no
 * stride of which n and no more find room.
 */
export function strided(n: number): Times {
  checkCount('n', n);
  return discrete(n, (steps) => {
    if (n === 1) return [steps - 1];
    const stride = Math.ceil(steps / n);
    const fewer = Math.ceil(steps / stride);
    if (fewer !== n) {
      const more = Math.ceil(steps / (stride - 1));
      throw new RangeError(
        `n is ${n}, but no constant stride over ${steps} steps keeps ${n}: the nearest are ${fewer} or ${more}`,
      );
    }
    return Array.from({ length: n }, (_, i) => i * stride);
  });
}

/**
 * The last of each of n equal parts (Lin et al. 2024, table 2; `trailing` of diffusers), so that sampling starts at the
 * last time and does not dwell at the first. Where time is continuous, n equal steps.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function trailing(n: number): Times {
  checkCount('n', n);
  return discrete(n, (steps) => {
    // In the very arithmetic of NumPy's arange(T, 0, −T/n): its rounding decides where a half goes.
    const stride = steps - steps / n - steps;
    return Array.from({ length: n }, (_, i) => roundHalfToEven(steps + i * stride) - 1).reverse();
  });
}

/**
 * n times spread evenly from the first to the last, both included (`linspace` of diffusers); a single step starts from
 * the noise. Where time is continuous, n equal steps.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function linspace(n: number): Times {
  checkCount('n', n);
  return discrete(n, (steps) => {
    if (n === 1) return [steps - 1];
    const stride = (steps - 1) / (n - 1);
    return Array.from({ length: n }, (_, i) => roundHalfToEven(i * stride));
  });
}

/**
 * n times spread evenly from the first to the last, both included, and not rounded to whole ones (as Karras et al. 2022
 * spread noise levels that a table gives; `linspace` of the Euler and Heun schedulers of diffusers). Where time is
 * continuous, n equal steps.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function even(n: number): Times {
  checkCount('n', n);
  return discrete(n, (steps) =>
    n === 1 ? [steps - 1] : Array.from({ length: n }, (_, i) => (i * (steps - 1)) / (n - 1)),
  );
}

/**
 * The n noisiest of `linspace(n + 1)`: the data take the place of the first time (`linspace` of the DPM-Solver schedulers of
 * diffusers). As many as the schedule has steps are all of them.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function linspaceToData(n: number): Times {
  return toDataInstead(n, linspace);
}

/**
 * The n noisiest of `leading(n + 1)`: the data take the place of the first time (`leading` of the DPM-Solver schedulers of
 * diffusers). As many as the schedule has steps are all of them; a
 * single step starts from the noise.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above the schedule's steps.
 */
export function leadingToData(n: number): Times {
  return toDataInstead(n, leading);
}

function toDataInstead(n: number, list: (n: number) => Times): Times {
  checkCount('n', n);
  return (schedule) =>
    schedule.steps === undefined || n === 1 || n >= schedule.steps
      ? list(n)(schedule)
      : list(n + 1)(schedule).filter((_, i) => i !== n);
}

/**
 * So many steps of each of equally long sections of a discrete schedule, from the data to the noise (Nichol & Dhariwal
 * 2021, section 4): inside a section the first and the last are kept and the others spread evenly; a section of one keeps
 * its first, but a single step in all starts from the noise.
 * @throws RangeError if the list is empty or a count is not a whole number from 1 up and, when called, if a section has
 * fewer steps than are to be kept or time is continuous.
 */
export function sections(counts: readonly number[]): Times {
  checkList('counts', counts);
  if (counts.length === 0) throw new RangeError('counts is an empty list, expected a count for each section');
  counts.forEach((count, i) => {
    checkCount(`counts[${i}]`, count);
  });
  return (schedule) => {
    const { steps } = schedule;
    if (steps === undefined) {
      throw new RangeError(
        'sections() was asked of a schedule of continuous time, which has no steps to divide',
      );
    }
    const kept = counts.length === 1 && counts[0] === 1 ? [steps - 1] : sectioned(steps, counts);
    return toData(schedule, kept);
  };
}

function sectioned(steps: number, counts: readonly number[]): number[] {
  const kept: number[] = [];
  let start = 0;
  counts.forEach((count, section) => {
    // What does not divide evenly makes the first sections one step longer.
    const size = Math.floor(steps / counts.length) + (section < steps % counts.length ? 1 : 0);
    if (count > size) {
      throw new RangeError(
        `counts[${section}] is ${count}, expected at most the ${size} steps of that section`,
      );
    }
    const stride = count === 1 ? 1 : (size - 1) / (count - 1);
    let position = 0;
    for (let i = 0; i < count; i++, position += stride) kept.push(start + roundHalfToEven(position));
    start += size;
  });
  return kept;
}

/**
 * The noise levels of eq. 5 of Karras et al. 2022, on any schedule: σ/α evenly spaced in its ρ-th root from `sigmaMax` to
 * `sigmaMin`, by default the schedule's own bounds, ρ being 7 by default. A schedule that ends in pure noise, where σ/α is infinite, starts there
 * and takes its other steps from the finite levels.
 * @throws RangeError if `steps` is not a whole number from 1 up, an option is not positive or sigmaMin > sigmaMax and,
 * when called, if the schedule never gets as noisy as sigmaMax or there is no room for several levels.
 */
export function karras({
  steps,
  sigmaMin,
  sigmaMax,
  rho = 7,
}: {
  /** How many steps: a list of steps + 1 times. */
  steps: number;
  /** σ/α of the last step but the data; default that of the schedule's least noise. */
  sigmaMin?: number;
  /** σ/α that sampling starts from; default that of the schedule's most noise. */
  sigmaMax?: number;
  /** ρ, positive: the greater, the more steps at low noise. Default 7, as in the paper. */
  rho?: number;
}): Times {
  checkCount('steps', steps);
  for (const [name, value] of Object.entries({ sigmaMin, sigmaMax, rho })) {
    if (value !== undefined) checkPositive(name, value);
  }
  if (sigmaMin !== undefined && sigmaMax !== undefined && sigmaMin > sigmaMax) {
    throw new RangeError(`sigmaMin is ${sigmaMin}, expected at most sigmaMax, which is ${sigmaMax}`);
  }
  const logSnrOf = (sigma: number | undefined): number | undefined => sigma && -2 * Math.log(sigma);
  const root = (logSnr: number): number => Math.exp(-logSnr / (2 * rho));
  return (schedule) =>
    spacedBy(schedule, steps, [logSnrOf(sigmaMax), logSnrOf(sigmaMin)], root, (x) => -2 * rho * Math.log(x));
}

/**
 * n noise levels evenly spaced in log-SNR, from the schedule's noisiest to its least noise (Lu et al. 2022, section 3.3).
 * A schedule that ends in pure noise, where the log-SNR is infinite, starts there and takes its other steps from the
 * finite levels.
 * @throws RangeError if n is not a whole number from 1 up or (when called) above 1 where the schedule has a single level.
 */
export function logSnrSpaced(n: number): Times {
  checkCount('n', n);
  return (schedule) =>
    spacedBy(
      schedule,
      n,
      [undefined, undefined],
      (logSnr) => logSnr,
      (x) => x,
    );
}

/** n levels evenly spaced in a function of the log-SNR, between the two given or those of the schedule. */
function spacedBy(
  schedule: NoiseSchedule,
  n: number,
  [from, to]: readonly [number | undefined, number | undefined],
  f: (logSnr: number) => number,
  inverse: (x: number) => number,
): Float64Array {
  const { end, least } = schedule;
  const cleanest = schedule.level(least).logSnr;
  const last = schedule.level(end);
  const noisiest = last.logSnr;
  const beyond = from === undefined && isPureNoise(last);
  const high = to ?? cleanest;
  // Of a schedule that ends beyond every finite level, as far below 0 as its least noise is above it.
  const low = from ?? (beyond ? Math.max(PURE_NOISE, Math.min(-cleanest, cleanest - 1)) : noisiest);
  if (n > 1 && !(low < high)) {
    throw new RangeError(
      `${n} noise levels were asked for from log-SNR ${low} to ${high}, expected the first to be the lower one`,
    );
  }
  const values = n === 1 && !beyond ? [f(low)] : spaced(f(high), f(low), beyond ? n - 1 : n);
  const rising = Array.from(values, (x) => {
    const logSnr = inverse(x);
    // The schedule's own bounds as they are, without the rounding of there and back.
    if (Math.abs(logSnr - noisiest) < 1e-9) return end;
    return Math.abs(logSnr - cleanest) < 1e-9 ? least : schedule.timeOf(logSnr);
  });
  return toData(schedule, beyond ? [...rising, end] : rising);
}

/**
 * Just these times, in whatever order; the data, where they end, need not be among them.
 * @throws RangeError if there is none or one twice and, when called, if the schedule does not have one, or no noise at any.
 */
export function times(list: ArrayLike<number>): Times {
  checkList('times', list);
  if (list.length === 0) throw new RangeError('times is empty, expected at least one time to start from');
  const rising = Float64Array.from(list).sort();
  const twice = rising.find((t, i) => t === rising[i + 1]);
  if (twice !== undefined) throw new RangeError(`times holds ${twice} twice`);
  return (schedule) => {
    for (const t of rising) schedule.level(t);
    const noisy = rising.filter((t) => t !== schedule.start);
    if (noisy.length === 0) {
      throw new RangeError(
        `times is ${schedule.start} alone, the time of the data, expected one to start from`,
      );
    }
    return toData(schedule, noisy);
  };
}

/**
 * For samples that are not made from pure noise, but go on from x_t: t, and the times below it that a list would have if
 * the schedule ended at t.
 * @throws RangeError (when called) if the schedule has no such time, or it is that of the data.
 */
export function startingAt(t: number, list: Times): Times {
  return (schedule) => {
    schedule.level(t);
    const { steps, start, least } = schedule;
    if (t === start) throw new RangeError(`t is ${t}, the time of the data, expected one to start from`);
    if (t <= least) return Float64Array.of(t, start);
    const shorter: NoiseSchedule = {
      ...(steps !== undefined && { steps: Math.floor(t) + 1 }),
      start,
      least,
      end: t,
      level: (at) => schedule.level(at),
      timeOf: (logSnr) => schedule.timeOf(logSnr),
    };
    return Float64Array.from([t, ...list(shorter).filter((at) => at < t)]);
  };
}

/**
 * The last steps of a list, a share of all of them in (0, 1], and at least one: where a sampler begins that does not start
 * from noise. In steps and not in time, so that half of them is half of what there is to see, however the list is spread.
 * @throws RangeError if the share is not above 0 and at most 1; when called, what the list throws.
 */
export function lastOf(share: number, list: Times): Times {
  if (!(share > 0 && share <= 1)) throw new RangeError(`share must be above 0 and at most 1, not ${share}`);
  return (schedule) => {
    const times = list(schedule);
    return times.slice(-1 - Math.max(1, Math.round(share * (times.length - 1))));
  };
}

/** A list by the rule for T steps, or n equal ones where time is continuous. */
function discrete(n: number, rule: (steps: number) => number[]): Times {
  return (schedule) => {
    const { steps, start, end } = schedule;
    if (steps === undefined) {
      return Float64Array.from({ length: n + 1 }, (_, i) =>
        i === n ? start : end + (i / n) * (start - end),
      );
    }
    if (n > steps) throw new RangeError(`n is ${n}, expected at most the ${steps} steps of the schedule`);
    return toData(schedule, rule(steps));
  };
}

/** The rising times, turned around, and the data after them. */
function toData({ start }: NoiseSchedule, rising: ArrayLike<number>): Float64Array {
  const list = new Float64Array(rising.length + 1).fill(start);
  for (let i = 0; i < rising.length; i++) list[rising.length - 1 - i] = rising[i]!;
  return list;
}

function wholeTimes(steps: number): Float64Array {
  return Float64Array.from({ length: steps }, (_, t) => t);
}

// Halves occur (999/24 · 4 = 166.5), and the established codes break them this way.
function roundHalfToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
