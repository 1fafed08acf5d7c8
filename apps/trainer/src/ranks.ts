import { broadcastValue, type Communicator, single } from '@diffusion-ts/parallel';
import { threads } from '@diffusion-ts/parallel/node';
import type { ActiveBackend } from './backend.js';
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

/**
 * Does work as rank 0 of `size`, the others of which are threads of this process: what it does by `onAll` they do as well.
 * @throws Error with the message of one of the others if that fails; what the work throws.
 */
export async function withRanks<T>(size: number, backend: ActiveBackend, work: () => Promise<T>): Promise<T> {
  return threads(size, RANK, backend, async (communicator) => {
    const before = joined;
    join(communicator);
    try {
      const result = await work();
      if (size > 1) await broadcastValue<Order>(communicator, null);
      return result;
    } finally {
      join(before);
    }
  });
}

/** Does work in which the other ranks take part by a task of theirs. */
export async function onAll<T, Name extends Task>(
  task: Name,
  given: Given<Name>,
  work: () => Promise<T>,
): Promise<T> {
  if (joined.size > 1) await broadcastValue<Order>(joined, [task, given]);
  return work();
}
