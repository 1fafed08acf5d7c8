import { broadcastParams, broadcastValue, gatherValues } from '@diffusion-ts/parallel';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { ranks } from './ranks.js';

/** What one rank could not do, thrown on all of them: each may go on with what comes next. */
export class FailedTogether extends Error {}

/** The values of all ranks, in their order: whatever JSON can hold. */
export function ofAll<T>(value: T): Promise<T[]> {
  return ranks().size === 1 ? Promise.resolve([value]) : gatherValues(ranks(), value);
}

/** The value that rank 0 has. */
export function ofFirst<T>(value: T | undefined): Promise<T> {
  return broadcastValue(ranks(), value) as Promise<T>;
}

/**
 * Does this rank's share of some work. Where one fails, all do, so that they go on together.
 * @throws FailedTogether with the message of the first rank that failed; the error itself where this is the only rank, or where
 * its `signal` was aborted, which ends the work of all.
 */
export async function together<T>(share: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  if (ranks().size === 1) return share();
  const [own] = await Promise.allSettled([share()]);
  signal?.throwIfAborted();
  const failures = await ofAll(own.status === 'rejected' ? messageOf(own.reason) : null);
  const failure = failures.find((message) => message !== null);
  if (own.status === 'fulfilled' && failure === undefined) return own.value;
  throw new FailedTogether(failure!, { cause: own.status === 'rejected' ? own.reason : undefined });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Things that a rank does, one after the other: from number `first` on, `own` of them. */
export interface Share {
  readonly first: number;
  readonly own: number;
}

/** Which of `count` things this rank does; where they are done in parts of `part`, whole ones. The first rank has the most. */
export function shareOf(count: number, part = 1): Share {
  const { rank, size } = ranks();
  const parts = Math.ceil(count / part);
  const from = (rank: number): number => Math.min(count, part * Math.ceil((rank * parts) / size));
  return { first: from(rank), own: from(rank + 1) - from(rank) };
}

/** The rows of all ranks, each of `length` numbers, those of rank 0 first. */
export async function gathered(rows: Float32Array, length: number): Promise<Float32Array> {
  const all = ranks();
  if (all.size === 1) return rows;
  const own = tf.tensor2d(rows, [rows.length / length, length]);
  const found = await all.gather(own).finally(() => own.dispose());
  const values = await found.data<'float32'>();
  found.dispose();
  return values;
}

/** The parameters that rank 0 has, on every rank: on that the same, on the others new. */
export async function sharedParams(own: Params | undefined): Promise<Params> {
  if (ranks().size === 1) return own!;
  const shared = await broadcastParams(ranks(), own);
  if (own !== undefined) disposeParams(shared);
  return own ?? shared;
}

/** The training state that rank 0 has, on every rank: on that the same, on the others new. */
export async function sharedState(own: TrainState | undefined): Promise<TrainState> {
  if (ranks().size === 1) return own!;
  const { progress, hasEma, ofSlots } = await ofFirst(
    own && { progress: progressOf(own), hasEma: own.ema !== undefined, ofSlots: Object.keys(own.slots) },
  );
  const params = await sharedParams(own?.params);
  const ema = hasEma ? await sharedParams(own?.ema) : undefined;
  const slots: Record<string, Params> = {};
  for (const slot of ofSlots) slots[slot] = await sharedParams(own?.slots[slot]);
  return own ?? restoreState({ params, ...(ema && { ema }), slots }, progress);
}
