import type { Params } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/** A training step was refused because a number in it was NaN or infinite; the weights are those of the step before. */
export class NonFiniteError extends RangeError {
  override readonly name: string = 'NonFiniteError';

  constructor(
    /** The number of the refused step: optimizer steps done so far. */
    readonly step: number,
    /** What went bad first: `x0`, a parameter, `loss`, or a gradient. */
    readonly tensor: string,
    /** The first bad number in it. */
    readonly value: number,
  ) {
    super(
      `step ${step} was refused: ${tensor} holds ${value}, and the weights are left as they were before it`,
    );
  }
}

/** The first tensor of a refused step, in the order of computation, that holds a number that is not finite. */
export async function nonFiniteError(
  step: number,
  { x0, params, loss, grads }: { x0: Tensor; params: Params; loss: number; grads: Params },
): Promise<NonFiniteError> {
  const named = (what: string, tree: Params): [string, Tensor][] =>
    Object.entries(tree).map(([name, tensor]) => [`${what} "${name}"`, tensor]);
  for (const [name, tensor] of [['x0', x0] as const, ...named('parameter', params)]) {
    const bad = await firstBad(tensor);
    if (bad !== undefined) return new NonFiniteError(step, name, bad);
  }
  if (!Number.isFinite(loss)) return new NonFiniteError(step, 'the loss', loss);
  for (const [name, tensor] of named('the gradient of', grads)) {
    const bad = await firstBad(tensor);
    if (bad !== undefined) return new NonFiniteError(step, name, bad);
  }
  // Every gradient is finite, but not the sum of their squares.
  return new NonFiniteError(step, 'the gradient norm', Infinity);
}

async function firstBad(tensor: Tensor): Promise<number | undefined> {
  return (await tensor.data()).find((value) => !Number.isFinite(value));
}
