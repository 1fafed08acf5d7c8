import { checkParams, disposeParams, type Params } from '@diffusion-ts/tensor';
import type { Slots } from './optimizer.js';
import type { LossHistory } from './time-sampler.js';

/**
 * Everything a training run is made of. `train` advances it in place, from one good state to the next: whatever ends the
 * loop, the state is whole and can be saved, continued or sampled from. It owns its tensors.
 */
export interface TrainState {
  /** Optimizer steps done, and batches used. */
  step: number;
  /** The parameters of the network. */
  params: Params;
  /** The moving average of the parameters; there once a step with an EMA was done. */
  ema?: Params;
  /** What the optimizer remembers; empty before the first step. */
  slots: Slots;
  /** What importance sampling remembers. */
  lossHistory: LossHistory;
}

/** The part of a state that is not tensors: plain JSON. */
export type TrainProgress = Pick<TrainState, 'step' | 'lossHistory'>;

/** The part of a state that is tensors: trees of the same names and shapes. */
export type TrainTrees = Pick<TrainState, 'params' | 'ema' | 'slots'>;

/** The state before the first step. It takes over the parameters. */
export function initialState(params: Params): TrainState {
  return { step: 0, params: inOrder(params), slots: {}, lossHistory: [] };
}

/** What to save of a state beside its trees; `JSON.stringify` loses nothing of it. */
export function progressOf({ step, lossHistory }: TrainState): TrainProgress {
  return { step, lossHistory };
}

/**
 * A state from its saved trees, which it takes over, and its saved progress, such as `JSON.parse` returns it.
 * @throws RangeError if the trees do not have the same names and shapes, or the progress is not what `progressOf` gave.
 */
export function restoreState({ params, ema, slots }: TrainTrees, progress: unknown): TrainState {
  const shapes = Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, shape]));
  for (const [name, tree] of Object.entries({ ...(ema && { ema }), ...slots }))
    checkParams(name, tree, shapes);
  return {
    ...checkProgress(progress),
    params: inOrder(params),
    ...(ema && { ema: inOrder(ema) }),
    slots: Object.fromEntries(Object.entries(slots).map(([name, tree]) => [name, inOrder(tree)])),
  };
}

/** Disposes the tensors of a state. */
export function disposeState(state: TrainTrees): void {
  for (const tree of treesOf(state)) disposeParams(tree);
}

/** All the trees of a state. */
export function treesOf({ params, ema, slots }: TrainTrees): Params[] {
  return [params, ...(ema ? [ema] : []), ...Object.values(slots)];
}

// Sums over all parameters depend on their order in the last digit, and files keep an order of their own.
function inOrder(params: Params): Params {
  return Object.fromEntries(Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1)));
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
