import type { Distribution, Gaussian } from '@diffusion-ts/forward-process';
import type { Evaluation, ReverseProcess } from '@diffusion-ts/reverse-process';
import { between, every, type NoiseLevel, type NoiseSchedule, type Times } from '@diffusion-ts/schedules';
import { axpby, checkTensor, described, nextTask, type Rng, tidyNow } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Churn, checkChurn, churned } from './churn.js';
import type { Noise, NoiseSource } from './noise.js';
import type { Sampler, SamplerOptions, SamplerStep } from './sampler.js';

/** An earlier step: where it was, and what the network saw there. */
export interface Past {
  /** The level that the step started from. */
  readonly level: NoiseLevel;
  /** The sample there. */
  readonly x: tf.Tensor;
  /** x̂_0 there, of the shape of x. */
  readonly x0: tf.Tensor;
}

/** What a solver knows of the step that it is to take. */
export interface SolverStep<D extends Distribution = Gaussian> extends SamplerStep {
  /** How many steps there will be. */
  readonly total: number;
  /** The schedule of the process, for levels between the two. */
  readonly schedule: NoiseSchedule;
  /** All that the network said at x. */
  readonly evaluation: Evaluation<D>;
  /** The steps before, the newest first, as many as are remembered. */
  readonly history: readonly Past[];
  /** Where noise comes from; there for a solver that `draws`. */
  readonly rng: Rng;
  /** Standard normal noise for the way from one level to another; there for a solver that has a source of `noise`. */
  noise(from: NoiseLevel, to: NoiseLevel): tf.Tensor;
  /** x̂_0 at another place: one more evaluation of the network. */
  x0At(x: tf.Tensor, level: NoiseLevel): Promise<tf.Tensor>;
  /** `tf.tidy` whose result lives until the step is done: what a solver that waits makes on its way. */
  own<T extends tf.Tensor>(f: () => T): T;
}

/**
 * One step of a sampler: the sample at `to`, from the one at `from`. Written as in its paper; who takes the step owns the
 * list of times, the tensors and the waiting: what a solver returns is freed, and all else that one that does not wait makes.
 */
export type Solver<D extends Distribution = Gaussian> = (
  step: SolverStep<D>,
) => tf.Tensor | Promise<tf.Tensor>;

/** What a solver needs of whoever takes its steps. */
export interface SolverOptions {
  /** The times to visit; default `every()` step of a discrete schedule. */
  readonly times?: Times | undefined;
  /** How many earlier steps it looks back at; default none. */
  readonly remembers?: number;
  /** Whether it draws noise, and so cannot do without an `rng`; default where it has a source of noise, or churns. */
  readonly draws?: boolean;
  /** What `noise` of its steps is made by, such as `brownianTree`. */
  readonly noise?: NoiseSource | undefined;
  /** Whether a step begins from more noise than the one before left; default no. */
  readonly churn?: Churn | undefined;
  /** Throws where the solver cannot take a step; asked about every one before the first. */
  readonly check?: (from: NoiseLevel, to: NoiseLevel) => void;
}

/**
 * The sampler that takes the steps of a solver. It evaluates the network where each step begins, gives way to the event
 * loop before it, and owns every tensor in between.
 * @throws RangeError if a number of `churn` is out of range; when the sampler is called, RangeError if the times do not fall
 * from the noise towards the data, or are none of the schedule's, or the process or the solver cannot take these steps;
 * TypeError if there is no `rng` for one that draws, or `times` or the process is none; when it is asked for a step, if xT
 * is none.
 * @example
 * // The deterministic step of first order, which is DDIM and Euler's.
 * const euler = fromSolver(({ x, x0, from, to }) => {
 *   const ratio = to.sigma / from.sigma;
 *   return axpby(ratio, x, to.alpha - ratio * from.alpha, x0);
 * }, { times: trailing(20) });
 */
export function fromSolver<D extends Distribution = Gaussian>(
  solver: Solver<D>,
  { times = every(), remembers = 0, noise, churn, draws, check }: SolverOptions = {},
): Sampler<D> {
  if (churn !== undefined) checkChurn(churn);
  const needsRng = draws ?? (noise !== undefined || (churn !== undefined && churn.amount > 0));
  return (reverse, xT, options = {}) => {
    const levels = levelsAt(times, reverse);
    const begins = churn ? churned(levels, churn, reverse.forward.schedule) : levels;
    if (begins.some((level, i) => level !== levels[i]))
      reverse.checkTimes?.(Float64Array.from(begins, ({ t }) => t));
    for (let i = 1; i < levels.length; i++) check?.(begins[i - 1]!, levels[i]!);
    if (needsRng) checkRng(options.rng);
    return walk(solver, reverse, xT, { levels, begins, spread: churn?.noise, noise, remembers }, options);
  };
}

/** @throws TypeError if there is no source of noise. */
export function checkRng(rng: Rng | undefined): Rng {
  if (typeof rng?.normal === 'function') return rng;
  throw new TypeError(
    `options.rng is ${rng === undefined ? 'missing' : described(rng)}, and this sampler draws noise: give it one, such as rng(0)`,
  );
}

/**
 * The levels to visit, if the times go down from the noise to the data and the process can take these steps.
 * @throws RangeError if they do not, or it cannot; TypeError if the times or the process are none.
 */
export function levelsAt<D extends Distribution>(times: Times, reverse: ReverseProcess<D>): NoiseLevel[] {
  const schedule = reverse?.forward?.schedule;
  if (typeof schedule?.level !== 'function') {
    throw new TypeError(
      `reverse must be a reverse process, such as reverseProcess(…), not ${described(reverse)}`,
    );
  }
  if (typeof times !== 'function') {
    throw new TypeError(
      `times must be a list of times, such as trailing(20) or times([…]), not ${described(times)}`,
    );
  }
  const list = times(schedule);
  if (list.length < 2) throw new RangeError(`times must give at least two times, one step, not [${list}]`);
  list.forEach((t, i) => {
    if (i === 0 || t < list[i - 1]!) return;
    throw new RangeError(`times must fall from the noise to the data, but ${t} comes after ${list[i - 1]}`);
  });
  if (list.at(-1) !== schedule.start) {
    throw new RangeError(`times must end at the data, ${schedule.start}, not at ${list.at(-1)}`);
  }
  const levels = Array.from(list, (t) => schedule.level(t));
  reverse.checkTimes?.(list);
  return levels;
}

/** Where a walk goes. */
export interface Path {
  /** The levels to visit, one step from each to the next. */
  readonly levels: readonly NoiseLevel[];
  /** The level that each step begins at, to which x is raised from where the last one led; default there. */
  readonly begins?: readonly NoiseLevel[] | undefined;
  /** What the noise that raises x is multiplied by; default 1. */
  readonly spread?: number | undefined;
  /** The level that the network is told of in each step; default the one that the step begins at. */
  readonly told?: readonly NoiseLevel[];
  /** What `noise` of the steps is made by. */
  readonly noise?: NoiseSource | undefined;
  /** How many earlier steps the solver looks back at; default none. */
  readonly remembers?: number;
}

/**
 * Takes the steps of a solver along a path in either direction, and owns every tensor on the way.
 * @throws TypeError if `start` is no tensor; the signal's reason once it is aborted; what the network or the solver throws.
 */
export async function* walk<D extends Distribution>(
  solver: Solver<D>,
  reverse: ReverseProcess<D>,
  start: tf.Tensor,
  { levels, begins = levels, spread = 1, told = begins, noise, remembers = 0 }: Path,
  { rng, signal, condition }: SamplerOptions,
): AsyncGenerator<SamplerStep, tf.Tensor> {
  checkTensor('xT', start);
  const total = levels.length - 1;
  const { schedule } = reverse.forward;
  const samples = [tf.clone(start)];
  const history: Past[] = [];
  const forget = ({ x, x0 }: Past): void => tf.dispose([x, x0]);
  const asked: Promise<Evaluation<D>>[] = [];
  const scratch: tf.Tensor[] = [];
  const own = <T extends tf.Tensor>(f: () => T): T => {
    // A clone, because a denoiser may hand back its own input.
    const made = tf.tidy(() => tf.clone(f()));
    scratch.push(made);
    return made;
  };
  const evaluate = (x: tf.Tensor, level: NoiseLevel): Promise<Evaluation<D>> => {
    // Not within the `tf.tidy` of a solver that asks.
    const answer = Promise.resolve().then(() => reverse.evaluate(x, level.t, condition));
    asked.push(answer);
    return answer;
  };
  const x0At = async (x: tf.Tensor, level: NoiseLevel): Promise<tf.Tensor> => {
    const evaluation = await evaluate(x, level);
    return own(() => evaluation.x0());
  };
  let source: Noise | undefined;
  const noiseOf: SolverStep['noise'] = (from, to) => {
    source ??= noise!(rng!, start.shape);
    const made = source;
    return own(() => made.between(from, to));
  };
  /** A draw of q(x_t | x_s), the sample at a level of more noise. */
  const raised = (x: tf.Tensor, from: NoiseLevel, to: NoiseLevel): tf.Tensor =>
    tf.tidy(() => {
      const deviation = spread * Math.sqrt(between(from, to).beta);
      return axpby(to.alpha / from.alpha, x, deviation, rng!.normal(x.shape));
    });
  /** Frees what was made in a step, also what a solver that failed had asked for and no longer waits for. */
  const clear = async (): Promise<void> => {
    for (const answer of await Promise.allSettled(asked.splice(0)))
      if (answer.status === 'fulfilled') answer.value.dispose();
    tf.dispose(scratch.splice(0));
  };

  try {
    for (let index = 0; index < total; index++) {
      await nextTask();
      signal?.throwIfAborted();
      const [stands, from, to] = [levels[index]!, begins[index]!, levels[index + 1]!];
      if (from !== stands) {
        samples.push(raised(samples[0]!, stands, from));
        samples.shift()!.dispose();
      }
      const x = samples[0]!;
      const evaluation = await evaluate(x, told[index]!);
      const x0 = tf.tidy(() => tf.clone(evaluation.x0()));
      const shown = { from, to, x, x0, index, total };
      history.unshift({ level: from, x: tf.clone(x), x0 });
      const past = history.slice(1);
      const next = await tidyNow(() =>
        solver({ ...shown, schedule, evaluation, history: past, rng: rng!, noise: noiseOf, x0At, own }),
      );
      samples.push(tf.clone(next));
      if (![x, x0, ...past.flatMap(({ x, x0 }) => [x, x0])].includes(next)) scratch.push(next);
      await clear();
      yield shown;
      samples.shift()!.dispose();
      history.splice(remembers).forEach(forget);
    }
    return samples.pop()!;
  } finally {
    await clear();
    source?.dispose();
    tf.dispose(samples);
    history.forEach(forget);
  }
}
