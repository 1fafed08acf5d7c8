import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { described, nextTask } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Communicator } from './communicator.js';
import { checkFinite } from './non-finite-error.js';
import type { TrainState } from './train-state.js';
import {
  checkStep,
  type StepRecord,
  type Trainable,
  type TrainBatch,
  type TrainStepOptions,
  trainStep,
} from './train-step.js';

/** What is trained, on what and how long, and how its steps are taken. */
export interface TrainOptions<R extends Trainable = GaussianReverseProcess> extends TrainStepOptions<R> {
  /** Where the run stands; advanced in place. */
  readonly state: TrainState;
  /**
   * Batch k and those after it, asked for with k = `state.step`: a resumed run goes on where it was. A batch remains the
   * iterator's, which may free it once it is asked for the next.
   */
  readonly batches: (start: number) => AsyncIterable<TrainBatch>;
  /** Training ends when `state.step` is this. */
  readonly steps: number;
  /** Ends training between two steps, as if `steps` were reached; of several workers all end after the same step. */
  readonly signal?: AbortSignal;
}

/**
 * Trains until `steps` are done, the signal is aborted or the batches end, yielding a record of every step, and returns
 * the state. The state is advanced in place and stays the caller's, whole and usable, however the loop ends; the tensors
 * that a step replaces are disposed when it is done, so those of a record's state are valid until the generator is
 * resumed. Each step gives way to the event loop once.
 *
 * Step s draws from `rng.fork(s)` and uses batch s, so a run that is saved anywhere and resumed ends with the same bytes
 * as one that was never interrupted, on the same backend.
 *
 * @throws TypeError or RangeError if an option, a batch or a rate is not what it should be; NonFiniteError if the state
 * that it begins with, the loss, a gradient or a new weight is not finite, in which case the state is that of the step
 * before. What `batches` throws is passed on.
 * @example
 * const state = initialState(model.init(rng(0)));
 * const run = train({
 *   state,
 *   reverse: (params) => reverseProcess({ forward, denoiser: denoiserOf(params), predicts: vPrediction, variance: fixedSmall }),
 *   loss: simple(),
 *   batches: (start) => batches(dataset, { size: 64, seed: 0, start }),
 *   rng: rng(1),
 *   steps: 10_000,
 *   learningRate: cosineDecay({ rate: 2e-4, steps: 10_000 }),
 *   ema: warmedUpDecay(0.999),
 * });
 * for await (const { step, loss } of run) console.log(step, loss);
 */
export async function* train<R extends Trainable = GaussianReverseProcess>(
  options: TrainOptions<R>,
): AsyncGenerator<StepRecord, TrainState> {
  const { state, batches, steps, signal, communicator } = options;
  if (!Number.isInteger(steps) || steps < 0)
    throw new RangeError(`steps must be a whole number from 0 up, not ${steps}`);
  checkStep(state, options);
  if (typeof batches !== 'function')
    throw new TypeError(`batches must be a function of the step to start at, not ${described(batches)}`);
  const isAborted = (): boolean => signal?.aborted === true;
  const finished = (): boolean => state.step >= steps || (communicator === undefined && isAborted());
  if (finished()) return state;
  await checkFinite(state);
  for await (const batch of batches(state.step)) {
    await nextTask();
    if (communicator === undefined ? isAborted() : await ofAny(isAborted(), communicator)) break;
    yield await trainStep(state, batch, options);
    if (finished()) break;
  }
  return state;
}

/** Whether it is so on any worker. */
async function ofAny(own: boolean, communicator: Communicator): Promise<boolean> {
  const flag = tf.scalar(Number(own));
  const { any } = await communicator.sum({ any: flag }).finally(() => flag.dispose());
  const [count] = await any!.data();
  any!.dispose();
  return count! > 0;
}
