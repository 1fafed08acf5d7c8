import { broadcastValue } from '@diffusion-ts/parallel';
import { mpi } from '@diffusion-ts/parallel/node';
import { startBackend } from './backend.js';
import { launched } from './launched.js';
import { followed } from './rank.js';
import { areDone, type Order, WITHOUT_END } from './ranks.js';

/**
 * Does what a command line says, in each of the processes that `mpirun` has started together: the first as if it were alone,
 * and the others, silent, what that says.
 */
export async function asLaunched(run: () => Promise<void>): Promise<void> {
  const { rank, size } = launched();
  if (size === 1) return run();
  try {
    if (rank > 0) {
      await mpi((communicator) => followed(communicator, 'cpu'), { patience: WITHOUT_END });
    } else {
      await run();
      if (!areDone) await dismiss();
    }
  } catch {
    // The first rank has told it.
    process.exitCode ??= 1;
  }
  // Where a rank no longer answers, MPI would wait for it.
  process.exit();
}

/** Lets the others go, who wait for what a command that needs none of them has to say. */
async function dismiss(): Promise<void> {
  await startBackend('cpu');
  await mpi((communicator) => broadcastValue<Order>(communicator, null));
}
