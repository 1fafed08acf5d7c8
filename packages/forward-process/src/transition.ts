import type { DiscreteSchedule, NoiseSchedule } from '@diffusion-ts/schedules';

/** The Markov chain that the noise makes of a class, on one schedule: numbers of the host, in float64. */
export interface TransitionMatrices {
  /** The classes that data have: 0 … classes − 1. */
  readonly classes: number;
  /** The states that x_t may be in: the classes, and where there is one a mask after them. */
  readonly states: number;
  /** p(x_T) of every state. */
  readonly prior: Float64Array;
  /** Q from s to t, row by row: q(x_t = j | x_s = i) is at `i · states + j`; s of no more noise than t. */
  between(s: number, t: number): Float64Array;
}

/** A kind of noise on classes: what it is on a schedule. */
export type Transition = (schedule: NoiseSchedule) => TransitionMatrices;

/**
 * Uniform noise (Hoogeboom et al. 2021; Austin et al. 2021, appendix A.2.1): Q_t = (1 − β_t) I + β_t/K 11ᵀ, which keeps
 * the class or else draws any of the K. From s to t it is kept with the probability ᾱ_t/ᾱ_s, ᾱ = α² of the schedule. The
 * prior is uniform.
 * @throws RangeError if there are not two classes, or (when called) if the schedule only adds noise and keeps all data.
 */
export function uniformTransition(classes: number): Transition {
  checkClasses(classes);
  return (schedule) => ({
    classes,
    states: classes,
    prior: new Float64Array(classes).fill(1 / classes),
    between: mixture(classes, keptOn(schedule), () => 1 / classes),
  });
}

/**
 * Absorbing noise (Austin et al. 2021, appendix A.2.2): with the probability β_t a class becomes the mask, the state
 * after the last class, and stays it. The prior is the mask.
 * @throws RangeError as `uniformTransition` does.
 */
export function absorbingTransition(classes: number): Transition {
  checkClasses(classes);
  const states = classes + 1;
  const isMask = (state: number): number => Number(state === classes);
  return (schedule) => ({
    classes,
    states,
    prior: Float64Array.from({ length: states }, (_, state) => isMask(state)),
    between: mixture(states, keptOn(schedule), isMask),
  });
}

/**
 * The discretised Gaussian (Austin et al. 2021, appendix A.2.3) for classes in an order, such as grey values: from i to
 * j ≠ i with e^(−4 (i−j)²/((K−1)² β_t)), divided by the sum of that over all differences −(K−1) … K−1, and the rest stays.
 * The prior is uniform. Only steps have such a matrix, so times are whole ones.
 * @throws RangeError if there are not two classes, or (when called) if the schedule has no β or a time lies between steps.
 */
export function gaussianTransition(classes: number): Transition {
  checkClasses(classes);
  return (schedule) => {
    if (!('betas' in schedule)) {
      throw new RangeError(
        'the discretised Gaussian has one matrix a step, and a schedule of continuous time has no steps',
      );
    }
    const { betas } = schedule as DiscreteSchedule;
    /** Q from the data to each time, as far as it was asked for. */
    const fromData = [identity(classes)];
    return {
      classes,
      states: classes,
      prior: new Float64Array(classes).fill(1 / classes),
      between(s, t) {
        for (const time of [s, t]) {
          if (!Number.isInteger(time))
            throw new RangeError(`the time is ${time}, expected a whole one: each step has one matrix`);
        }
        if (s === schedule.start) {
          for (let i = fromData.length - 1; i <= t; i++)
            fromData.push(product(fromData[i]!, gaussianStep(classes, betas[i]!), classes));
          return fromData[t + 1]!;
        }
        let matrix = s === t ? identity(classes) : gaussianStep(classes, betas[s + 1]!);
        for (let i = s + 2; i <= t; i++) matrix = product(matrix, gaussianStep(classes, betas[i]!), classes);
        return matrix;
      },
    };
  };
}

/** keep · I + (1 − keep) · 1 noiseᵀ. */
function mixture(
  states: number,
  kept: (s: number, t: number) => number,
  noise: (state: number) => number,
): TransitionMatrices['between'] {
  return (s, t) => {
    const keep = kept(s, t);
    return matrix(states, (i, j) => (i === j ? keep : 0) + (1 - keep) * noise(j));
  };
}

/** ᾱ_t/ᾱ_s, the probability that a class is untouched from s to t. */
function keptOn(schedule: NoiseSchedule): (s: number, t: number) => number {
  const alphaBar = (t: number): number => schedule.level(t).alpha ** 2;
  if (!(alphaBar(schedule.end) < 1)) {
    throw new RangeError(
      'the schedule keeps all of the data to its end (α = 1), expected one on which they fade: this noise replaces classes',
    );
  }
  return (s, t) => alphaBar(t) / alphaBar(s);
}

function gaussianStep(classes: number, beta: number): Float64Array {
  const weight = (difference: number): number =>
    Math.exp((-4 * difference ** 2) / ((classes - 1) ** 2 * beta));
  let total = 1;
  for (let n = 1; n < classes; n++) total += 2 * weight(n);
  const step = matrix(classes, (i, j) => (i === j ? 0 : weight(i - j) / total));
  for (let i = 0; i < classes; i++) {
    let left = 1;
    for (let j = 0; j < classes; j++) left -= step[i * classes + j]!;
    step[i * classes + i] = left;
  }
  return step;
}

function identity(size: number): Float64Array {
  return matrix(size, (i, j) => Number(i === j));
}

function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  return matrix(size, (i, j) => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += a[i * size + k]! * b[k * size + j]!;
    return sum;
  });
}

function matrix(size: number, entry: (row: number, column: number) => number): Float64Array {
  const entries = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) entries[i * size + j] = entry(i, j);
  return entries;
}

function checkClasses(classes: number): void {
  if (!Number.isInteger(classes) || classes < 2)
    throw new RangeError(`classes is ${classes}, expected a whole number of at least 2`);
}
