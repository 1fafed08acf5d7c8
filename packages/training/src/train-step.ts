import type { Distribution, ForwardProcess } from '@diffusion-ts/forward-process';
import type { Loss } from '@diffusion-ts/losses';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import {
  type Condition,
  checkTensor,
  described,
  disposeParams,
  mapParams,
  type Params,
  type Rng,
  sameShape,
  zipParams,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { adamW } from './adam-w.js';
import { batchGradients, type Examples, type ReverseOf } from './batch-gradients.js';
import type { Communicator } from './communicator.js';
import { type ConditionDropout, checkConditionDropout, dropCondition } from './condition-dropout.js';
import type { Coupling } from './coupling.js';
import type { EmaDecay } from './ema-decay.js';
import type { LearningRate } from './learning-rate.js';
import { lossByQuartile, type Quartiles } from './loss-by-quartile.js';
import { nonFiniteError } from './non-finite-error.js';
import type { Optimizer, OptimizerResult, OptimizerStep } from './optimizer.js';
import type { TimeSampler } from './time-sampler.js';
import { type TrainState, type TrainTrees, treesOf } from './train-state.js';
import { uniformTimes } from './uniform-times.js';

/** Examples to train on: `x0` `[batch, …]`, and what the network is told of each, if anything. */
export interface TrainBatch {
  /** `[batch, …]`. */
  readonly x0: tf.Tensor;
  /** What the network is told, a row of each tensor for each example. */
  readonly condition?: Condition;
  /** What each example is mixed with, of the shape of `x0`, where the data are pairs (reflow); default drawn anew. */
  readonly noise?: tf.Tensor;
}

/** What training asks of a process, of whatever kind: the loss alone knows the rest. */
export interface Trainable {
  /** Where the times and the noise come from. */
  readonly forward: Pick<ForwardProcess<Distribution>, 'schedule' | 'noise'>;
}

/** How the steps of a training are taken, each by the same rules. */
export interface TrainStepOptions<R extends Trainable = GaussianReverseProcess> {
  /** The process that the parameters describe; its second argument is for networks that draw (dropout). */
  readonly reverse: ReverseOf<R>;
  /** What is minimised, such as `simple()`. */
  readonly loss: Loss<R>;
  /** Step s draws from `rng.fork(s)` alone. */
  readonly rng: Rng;
  /** The learning rate of every step, such as `constantRate(2e-4)`. */
  readonly learningRate: LearningRate;
  /** Default `adamW()`. */
  readonly optimizer?: Optimizer;
  /** The decay of the moving average of the weights; without it there is none. */
  readonly ema?: EmaDecay | undefined;
  /** Default `uniformTimes()`. */
  readonly times?: TimeSampler;
  /** Which example is mixed with which noise, such as `optimalTransport()`; default the noise as it is drawn. */
  readonly coupling?: Coupling | undefined;
  /** Hides conditions, for guidance; needs batches with them. */
  readonly conditionDropout?: ConditionDropout | undefined;
  /** The most examples that are computed on at a time: gradient accumulation over a batch. Default the whole batch. */
  readonly microBatch?: number | undefined;
  /** The workers that train together with this one, each with its rows of every batch; default none. */
  readonly communicator?: Communicator;
}

/** What is known of a step once it is done. */
export interface StepRecord {
  /** Steps done, this one included. */
  readonly step: number;
  /** The mean over the batch, weighted where times are not uniform: an estimate of the mean over uniform t. */
  readonly loss: number;
  /** The same over the examples with t in each quarter of the schedule, undefined where there was none. */
  readonly lossByQuartile: Quartiles;
  /** The time of each example of the batch, those of all workers in the order of their ranks. */
  readonly t: Float64Array;
  /** The loss of each, unweighted. */
  readonly losses: Float32Array;
  /** What each counts in the mean. */
  readonly weights: Float64Array;
  /** The norm of all gradients together, before clipping. */
  readonly gradNorm: number;
  /** The rate that this step was taken with. */
  readonly learningRate: number;
  /** Examples in the batch. */
  readonly images: number;
  /** The state after this step: the one that was passed in. */
  readonly state: TrainState;
}

/**
 * One step of training on a batch, which stays the caller's: gradients, their sum over the workers if there are several,
 * the optimizer, and only then, all of it being finite, the new weights in the place of the old ones, which are disposed.
 * Losses and norms are read back once.
 *
 * @throws TypeError or RangeError if an option, the batch or a rate is not what it should be; NonFiniteError if the loss, a
 * gradient or a new weight is not finite. The state then is what it was before.
 * @example
 * const { loss } = await trainStep(state, { x0 }, {
 *   reverse: (params) => reverseProcess({ forward, denoiser: denoiserOf(params), predicts: vPrediction, variance: fixedSmall }),
 *   loss: simple(),
 *   rng: rng(1),
 *   learningRate: constantRate(2e-4),
 * });
 */
export async function trainStep<R extends Trainable = GaussianReverseProcess>(
  state: TrainState,
  batch: TrainBatch,
  options: TrainStepOptions<R>,
): Promise<StepRecord> {
  const { ema, optimizer = adamW(), times = uniformTimes(), communicator } = options;
  checkStep(state, options);
  checkBatch(batch, options);
  const { rank, size } = communicator ?? { rank: 0, size: 1 };
  const own = batch.x0.shape[0]!;
  const images = size * own;
  const learningRate = valueAt('learningRate', options.learningRate(state.step), Infinity);
  const decay = ema && valueAt('ema', ema(state.step, images), 1);

  const rng = options.rng.fork(state.step);
  const network = (): Rng => rng.fork('network').rows(rank * own);
  const { forward } = options.reverse(state.params, network());
  // The times of the whole batch, the same for every worker.
  const { t, weights } = times.draw(rng.fork('timesteps'), images, forward.schedule, state.lossHistory);

  // What a first step adds to the state is its own only once the step is done.
  const before: TrainTrees = {
    params: state.params,
    slots: Object.keys(state.slots).length > 0 ? state.slots : optimizer.init(state.params),
    ...(ema && { ema: state.ema ?? mapParams(state.params, (tensor) => tf.clone(tensor)) }),
  };
  let noise: tf.Tensor | undefined;
  let computed: Computed | undefined;
  let after: OptimizerResult | undefined;
  let report: tf.Tensor1D | undefined;
  try {
    noise = await noiseOf(batch, options, (first, shape) =>
      forward.noise(rng.fork('noise').rows(first), shape),
    );
    const mixedWith = noise;
    computed = tf.tidy(() => {
      const { perExample, grads } = batchGradients({
        reverse: options.reverse,
        loss: options.loss,
        params: before.params,
        ...(before.ema && { ema: before.ema }),
        examples: {
          x0: batch.x0,
          t: t.slice(rank * own, (rank + 1) * own),
          noise: mixedWith,
          weights: weights.slice(rank * own, (rank + 1) * own).map((weight) => weight / images),
          ...conditionOf(batch, options.conditionDropout, rng.fork('labels').rows(rank * own)),
        },
        microBatch: options.microBatch ?? own,
        rng: network(),
      });
      return { grads, losses: perExample };
    });
    if (communicator !== undefined) computed = await summed(computed, communicator);
    const { grads } = computed;
    after = tf.tidy(() =>
      asTensors(
        updated(optimizer, {
          params: before.params,
          grads,
          slots: before.slots,
          step: state.step + 1,
          learningRate,
          ...(before.ema && decay !== undefined && { ema: { params: before.ema, decay } }),
        }),
      ),
    );
    const { norms, ...next } = after;
    // Everything that is read back, in one piece.
    report = tf.concat1d([norms, computed.losses]);
    const [gradNorm, weightNorm, ...values] = await report.data<'float32'>();
    const losses = Float32Array.from(values);
    const loss = losses.reduce((sum, value, i) => sum + value * weights[i]!, 0) / images;
    if (![loss, gradNorm, weightNorm].every(Number.isFinite)) {
      const suspects = { x0: batch.x0, params: state.params, loss, grads, next: next.params };
      throw await nonFiniteError(state.step, suspects);
    }
    Object.assign(state, next);
    state.step += 1;
    times.observe?.(state.lossHistory, forward.schedule, t, losses);
    return {
      step: state.step,
      loss,
      lossByQuartile: lossByQuartile(forward.schedule, t, losses, weights),
      t,
      losses,
      weights,
      gradNorm: gradNorm!,
      learningRate,
      images,
      state,
    };
  } finally {
    const kept = new Set(tensorsOf(state));
    const used = [...tensorsOf(before), ...Object.values(computed?.grads ?? {})];
    if (after !== undefined) used.push(...tensorsOf(after));
    tf.dispose(used.filter((tensor) => !kept.has(tensor)));
    tf.dispose([noise ?? [], computed?.losses ?? [], after?.norms ?? [], report ?? []]);
  }
}

/** What the examples of a batch are mixed with, a new tensor; `draw` gives the noise of rows `first` … of all workers. */
async function noiseOf<R extends Trainable>(
  { x0, noise, condition }: TrainBatch,
  { coupling, communicator }: TrainStepOptions<R>,
  draw: (first: number, shape: readonly number[]) => tf.Tensor,
): Promise<tf.Tensor> {
  if (noise !== undefined) return tf.clone(noise);
  const { rank, size } = communicator ?? { rank: 0, size: 1 };
  const own = x0.shape[0]!;
  if (coupling === undefined) return draw(rank * own, x0.shape);
  if (communicator === undefined || size === 1) return coupled(coupling, x0, draw(0, x0.shape), condition);
  // Noise may go to an example of another worker: each pairs those of all.
  const whole: TrainBatch = await gathered({ x0, ...(condition && { condition }) }, communicator);
  try {
    const noise = await coupled(coupling, whole.x0, draw(0, whole.x0.shape), whole.condition);
    const rows = tf.slice(noise, rank * own, own);
    noise.dispose();
    return rows;
  } finally {
    tf.dispose([whole.x0, whole.condition ?? []]);
  }
}

/** The noise in the order of the examples; what was drawn is disposed. */
async function coupled(
  coupling: Coupling,
  x0: tf.Tensor,
  drawn: tf.Tensor,
  condition: Condition | undefined,
): Promise<tf.Tensor> {
  let noise: tf.Tensor | undefined;
  try {
    noise = await coupling(x0, drawn, condition);
  } finally {
    if (noise !== drawn) drawn.dispose();
  }
  checkTensor('what the coupling returned', noise);
  if (sameShape(noise.shape, x0.shape)) return noise;
  noise.dispose();
  throw new RangeError(
    `the coupling must return noise of the shape of x0, [${x0.shape}], not [${noise.shape}]`,
  );
}

/** The examples of all workers. */
async function gathered({ x0, condition = {} }: TrainBatch, communicator: Communicator): Promise<TrainBatch> {
  const all: Record<string, tf.Tensor> = {};
  for (const [name, tensor] of Object.entries(condition)) {
    const rows = tf.cast(tensor, 'float32');
    const floats = await communicator.gather(rows).finally(() => rows.dispose());
    all[name] = tf.cast(floats, tensor.dtype);
    floats.dispose();
  }
  return { x0: await communicator.gather(x0), condition: all };
}

/** Of all workers, once they are summed. */
type Computed = { grads: Params; losses: tf.Tensor1D };

// Apart from what any parameter may be called.
const LOSSES = ' losses';

/** Gradients and losses over all workers: a worker's own losses at their place among all. */
async function summed({ grads, losses }: Computed, communicator: Communicator): Promise<Computed> {
  const { rank, size } = communicator;
  const own = losses.size;
  const placed = tf.pad1d(losses, [rank * own, (size - 1 - rank) * own]);
  try {
    const { [LOSSES]: all, ...rest } = await communicator.sum({ ...grads, [LOSSES]: placed });
    return { grads: rest, losses: all as tf.Tensor1D };
  } finally {
    tf.dispose([placed, losses]);
    disposeParams(grads);
  }
}

/** What the optimizer makes of a step, and the moving average where it leaves that to us. */
function updated(optimizer: Optimizer, step: OptimizerStep): OptimizerResult {
  const result = optimizer.update(step);
  const { norms } = result;
  if (!sameShape(norms.shape, [2])) {
    throw new RangeError(
      `the optimizer must return the norms of the gradients and of the new parameters, [2], not [${norms.shape}]`,
    );
  }
  const { ema } = step;
  if (ema === undefined || result.ema !== undefined) return result;
  const average = zipParams(ema.params, result.params, (average, param) =>
    tf.add(average, tf.mul(tf.sub(param, average), 1 - ema.decay)),
  );
  return { ...result, ema: average };
}

function tensorsOf(trees: TrainTrees): tf.Tensor[] {
  return treesOf(trees).flatMap((tree) => Object.values(tree));
}

function conditionOf(
  { condition }: TrainBatch,
  dropout: ConditionDropout | undefined,
  rng: Rng,
): Pick<Examples, 'condition'> {
  if (condition === undefined) return {};
  return { condition: dropout === undefined ? condition : dropCondition(condition, dropout, rng) };
}

const EXAMPLES = {
  reverse: 'such as (params) => reverseProcess({ … })',
  loss: 'such as simple()',
  learningRate: 'such as constantRate(1e-3)',
  ema: 'such as constantDecay(0.999)',
  coupling: 'such as optimalTransport()',
} as const;

/** @throws TypeError or RangeError if the options are none, or do not fit each other or the state. */
export function checkStep<R extends Trainable>(state: TrainState, options: TrainStepOptions<R>): void {
  const { ema, microBatch, conditionDropout, times, optimizer, rng } = options;
  if (typeof state?.step !== 'number' || typeof state.params !== 'object') {
    throw new TypeError(
      `state must be a training state, such as initialState(params), not ${described(state)}`,
    );
  }
  for (const name of ['reverse', 'loss', 'learningRate', 'ema', 'coupling'] as const) {
    const value = options[name];
    const isOptional = name === 'ema' || name === 'coupling';
    if (typeof value === 'function' || (isOptional && value === undefined)) continue;
    throw new TypeError(`${name} must be a function, ${EXAMPLES[name]}, not ${described(value)}`);
  }
  const parts = {
    times: [times?.draw, times, 'a time sampler, such as uniformTimes()'],
    optimizer: [optimizer?.update, optimizer, 'an optimizer, such as adamW()'],
    rng: [rng?.fork, rng ?? null, 'a source of random numbers, such as rng(0)'],
  } as const;
  for (const [name, [method, value, meaning]] of Object.entries(parts)) {
    if (value !== undefined && typeof method !== 'function')
      throw new TypeError(`${name} must be ${meaning}, not ${described(value ?? undefined)}`);
  }
  if (state.ema !== undefined && ema === undefined) {
    throw new TypeError('ema is missing, but the state has a moving average, which would go stale');
  }
  if (microBatch !== undefined && (!Number.isInteger(microBatch) || microBatch < 1)) {
    throw new RangeError(`microBatch must be a whole number from 1 up, not ${microBatch}`);
  }
  if (conditionDropout !== undefined) checkConditionDropout(conditionDropout);
}

function checkBatch<R extends Trainable>(
  batch: TrainBatch,
  { conditionDropout: dropout, coupling }: TrainStepOptions<R>,
): void {
  checkTensor('x0 of a batch', batch?.x0);
  const { x0, condition, noise } = batch;
  const size = x0.shape[0] ?? 0;
  if (size === 0) throw new RangeError(`x0 must have at least one example, not shape [${x0.shape}]`);
  for (const [name, tensor] of Object.entries(condition ?? {})) {
    checkTensor(`condition.${name}`, tensor);
    if (tensor.shape[0] !== size) {
      throw new RangeError(
        `condition.${name} must have one row per example, ${size}, not shape [${tensor.shape}]`,
      );
    }
  }
  if (dropout !== undefined && condition === undefined) {
    throw new TypeError('condition is missing from a batch, and conditionDropout has none to drop');
  }
  if (noise === undefined) return;
  checkTensor('noise of a batch', noise);
  if (!sameShape(noise.shape, x0.shape)) {
    throw new RangeError(`noise of a batch must have the shape of x0, [${x0.shape}], not [${noise.shape}]`);
  }
  if (coupling !== undefined) {
    throw new TypeError('coupling is given, but the examples of a batch are paired with noise already');
  }
}

function valueAt(name: string, value: number, max: number): number {
  if (value >= 0 && value <= max && value < Infinity) return value;
  throw new RangeError(
    `${name} must give a finite number from 0 ${max === Infinity ? 'up' : `to ${max}`}, not ${value}`,
  );
}

/** What a tidy is to keep, as it wants to see it. */
function asTensors<T extends object>(container: T): T & tf.TensorContainerObject {
  return container as T & tf.TensorContainerObject;
}
