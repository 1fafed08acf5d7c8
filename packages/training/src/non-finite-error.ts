import type { Params } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TrainState } from './train-state.js';

/** A training step was refused because a number in it was NaN or infinite; the weights are those of the step before. */
export class NonFiniteError extends RangeError {
  override readonly name: string = 'NonFiniteError';

  constructor(
    /** The number of the refused step: optimizer steps done so far. */
    readonly step: number,
    /** What went bad first: `x0`, a parameter, the loss, a gradient, a new parameter, or a tree that training began with. */
    readonly tensor: string,
    /** The first bad number in it. */
    readonly value: number,
  ) {
    super(
      `step ${step} was refused: ${tensor} holds ${value}, and the weights are left as they were before it`,
    );
  }
}

/** What a step was computed from and led to, in that order. */
export interface Suspects {
  readonly x0: Tensor;
  readonly params: Params;
  readonly loss: number;
  readonly grads: Params;
  readonly next: Params;
}

/** The first tensor of a refused step, in the order of computation, that holds a number that is not finite. */
export async function nonFiniteError(
  step: number,
  { x0, params, loss, grads, next }: Suspects,
): Promise<NonFiniteError> {
  const before = await firstBad([['x0', x0], ...named('parameter', params)]);
  if (before !== undefined) return new NonFiniteError(step, ...before);
  if (!Number.isFinite(loss)) return new NonFiniteError(step, 'the loss', loss);
  const after = await firstBad([...named('the gradient of', grads), ...named('the new parameter', next)]);
  if (after !== undefined) return new NonFiniteError(step, ...after);
  // Every number is finite, but not the sum of their squares.
  return new NonFiniteError(step, 'the norm of the gradients or of the weights', Infinity);
}

/** @throws NonFiniteError if a tree of a state holds a number that is not finite: nothing good comes of going on. */
export async function checkFinite(state: TrainState): Promise<void> {
  const { params, ema, slots } = state;
  const trees: [string, Params | undefined][] = [
    ['parameter', params],
    ['average of parameter', ema],
    ...Object.entries(slots).map(([slot, tree]): [string, Params] => [`optimizer's ${slot} of`, tree]),
  ];
  const bad = await firstBad(trees.flatMap(([what, tree]) => named(what, tree ?? {})));
  if (bad !== undefined) throw new NonFiniteError(state.step, ...bad);
}

function named(what: string, tree: Params): [string, Tensor][] {
  return Object.entries(tree).map(([name, tensor]) => [`${what} "${name}"`, tensor]);
}

async function firstBad(tensors: [string, Tensor][]): Promise<[name: string, value: number] | undefined> {
  for (const [name, tensor] of tensors) {
    const bad = (await tensor.data()).find((value) => !Number.isFinite(value));
    if (bad !== undefined) return [name, bad];
  }
  return undefined;
}
