// What the ranks of a job share: each calls these in the same order.

import { broadcastValue, type Communicator } from '@diffusion-ts/parallel';
import type * as tf from '@tensorflow/tfjs-core';

/** The numbers of the rows `[rows, …]` of all ranks, in their order. */
export async function gathered(communicator: Communicator, rows: tf.Tensor): Promise<Float32Array> {
  const all = await communicator.gather(rows);
  try {
    return await all.data<'float32'>();
  } finally {
    all.dispose();
  }
}

/** A signal that is aborted on all ranks between the same two steps, each of which calls `agree`. */
export function sharedSignal(
  communicator: Communicator,
  own: AbortSignal,
): { readonly signal: AbortSignal; agree(): Promise<void> } {
  // Alone, it need not be asked about.
  if (communicator.size === 1) return { signal: own, agree: async () => {} };
  const stopper = new AbortController();
  return {
    signal: stopper.signal,
    async agree() {
      if (await broadcastValue(communicator, own.aborted)) stopper.abort();
    },
  };
}

/** Some of the rows of a batch, from `first` to before `end`. */
export interface Rows {
  readonly first: number;
  readonly end: number;
}

/** Which rows of so many are this rank's. */
export function ownRows({ rank, size }: Communicator, count: number): Rows {
  const start = (of: number): number => Math.floor((of * count) / size);
  return { first: start(rank), end: start(rank + 1) };
}
