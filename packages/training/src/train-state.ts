import { disposeParams, mapParams, type Params, zipParams } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { LossHistory } from './timestep-sampler.js';

/**
 * Everything a training run is made of. `train` advances it in place, from one good state to the next: whatever ends the
 * loop, the state is whole and can be saved, continued or sampled from. It owns its tensors.
 */
export interface TrainState {
  /** Optimizer steps done, and batches used. */
  step: number;
  params: Params;
  /** The moving average of the parameters; there once a step with an EMA was done. */
  ema?: Params;
  /** AdamW's running mean of the gradients. */
  m: Params;
  /** AdamW's running mean of their squares. */
  v: Params;
  /** What importance sampling remembers. */
  lossHistory: LossHistory;
}

/** The part of a state that is not tensors: plain JSON. */
export type TrainProgress = Pick<TrainState, 'step' | 'lossHistory'>;

/** The part of a state that is tensors: trees of the same names and shapes. */
export type TrainTrees = Pick<TrainState, 'params' | 'ema' | 'm' | 'v'>;

/** The state before the first step. It takes over the parameters. */
export function initialState(params: Params): TrainState {
  const ordered = inOrder(params);
  const zeros = (): Params => mapParams(ordered, (tensor) => tf.zerosLike(tensor));
  return { step: 0, params: ordered, m: zeros(), v: zeros(), lossHistory: [] };
}

/** What to save of a state beside its trees; `JSON.stringify` loses nothing of it. */
export function progressOf({ step, lossHistory }: TrainState): TrainProgress {
  return { step, lossHistory };
}

/**
 * A state from its saved trees, which it takes over, and its saved progress, such as `JSON.parse` returns it.
 * @throws RangeError if the trees do not have the same names and shapes, or the progress is not what `progressOf` gave.
 */
export function restoreState({ params, ema, m, v }: TrainTrees, progress: unknown): TrainState {
  for (const [name, tree] of Object.entries({ ema, m, v }))
    if (tree !== undefined) checkTree(name, tree, params);
  return {
    ...checkProgress(progress),
    params: inOrder(params),
    ...(ema && { ema: inOrder(ema) }),
    m: inOrder(m),
    v: inOrder(v),
  };
}

/** Disposes the tensors of a state. */
export function disposeState({ params, ema, m, v }: TrainState): void {
  for (const tree of [params, ema ?? {}, m, v]) disposeParams(tree);
}

// Sums over all parameters depend on their order in the last digit, and files keep an order of their own.
function inOrder(params: Params): Params {
  return Object.fromEntries(Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function checkTree(name: string, tree: Params, params: Params): void {
  zipParams(params, tree, (param, tensor, parameter) => {
    if (tf.util.arraysEqual(param.shape, tensor.shape)) return tensor;
    throw new RangeError(`${name}: "${parameter}" must have shape [${param.shape}], not [${tensor.shape}]`);
  });
}

function checkProgress(progress: unknown): TrainProgress {
  if (typeof progress !== 'object' || progress === null) {
    throw new RangeError(`progress must be an object, not ${JSON.stringify(progress)}`);
  }
  const { step, lossHistory } = progress as Partial<Record<keyof TrainProgress, unknown>>;
  if (typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0) {
    throw new RangeError(`progress.step must be a whole number from 0 up, not ${JSON.stringify(step)}`);
  }
  if (!isHistory(lossHistory))
    throw new RangeError('progress.lossHistory must be a list of lists of numbers');
  return { step, lossHistory: lossHistory.map((losses) => [...losses]) };
}

function isHistory(value: unknown): value is LossHistory {
  return (
    Array.isArray(value) &&
    value.every((losses) => Array.isArray(losses) && losses.every((loss) => Number.isFinite(loss)))
  );
}
