import { broadcastValue, type Communicator, single } from '@diffusion-ts/parallel';
import { mpi, threads } from '@diffusion-ts/parallel/node';
import type { ActiveBackend } from './backend.js';
import { launched } from './launched.js';
import type { Given, Task } from './rank.js';

/** What rank 0 has the others do, with what it gives them to do it with; nothing, in the end. */
export type Order = readonly [Task, unknown] | null;

// From the sources too, which Node cannot load in a thread.
const RANK = new URL('../dist/rank.js', import.meta.url);

let joined: Communicator = single();

/** The ranks that work together now, and which of them this is: one that is alone, outside of `withRanks`. */
export function ranks(): Communicator {
  return joined;
}

/** Makes this process, or this thread, one of those ranks. */
export function join(communicator: Communicator): void {
  joined = communicator;
}

/** Whether the processes that were started with this one have done what there was to do for them. */
export let areDone = false;

// As long as a timer can wait, three weeks: others may take longer for their share.
export const WITHOUT_END = 2_147_483;

/**
 * Does work as rank 0 of `size`: the others are the processes that `mpirun` has started with this one, or else threads of it.
 * @throws Error with the message of one of the others if that fails, or, of processes, if they do not answer for `patience`
 * seconds; what the work throws.
 */
export async function withRanks<T>(
  size: number,
  backend: ActiveBackend,
  work: () => Promise<T>,
  patience: number = WITHOUT_END,
): Promise<T> {
  const lead = async (communicator: Communicator): Promise<T> => {
    const before = joined;
    join(communicator);
    try {
      if (launched().size > 1) await order(['backend', { backend }]);
      const result = await work();
      await order(null);
      return result;
    } finally {
      join(before);
    }
  };
  if (launched().size === 1) return threads(size, RANK, backend, lead);
  areDone = true;
  return mpi(lead, { patience });
}

/** Tells the other ranks what to do. */
async function order(told: Order): Promise<void> {
  if (joined.size > 1) await broadcastValue<Order>(joined, told);
}

/** Does work in which the other ranks take part by a task of theirs. */
export async function onAll<T, Name extends Task>(
  task: Name,
  given: Given<Name>,
  work: () => Promise<T>,
): Promise<T> {
  await order([task, given]);
  return work();
}
