// What each thread of `runThreads` runs.

import { parentPort, workerData } from 'node:worker_threads';
import { communicatorOver } from './communicator-over.js';
import { sharedWire, stop } from './shared-memory.js';

/** What a thread is given. */
export interface ThreadData {
  readonly memory: SharedArrayBuffer;
  readonly rank: number;
  readonly module: string;
  readonly data: unknown;
}

/** What a thread says in the end. */
export type Outcome = { readonly result: unknown } | { readonly failure: { message: string; stack: string } };

async function outcomeOf({ memory, rank, module, data }: ThreadData): Promise<Outcome> {
  const { default: run } = (await import(module)) as { default: unknown };
  if (typeof run !== 'function') {
    throw new TypeError(`${module} must export a function as its default, not ${typeof run}`);
  }
  const communicator = communicatorOver(sharedWire(memory, rank));
  const result: unknown = await run(communicator, data);
  await communicator.close();
  return { result };
}

const { memory, rank } = workerData as ThreadData;
const say = (outcome: Outcome): void => parentPort!.postMessage(outcome);

outcomeOf(workerData as ThreadData)
  .then(say)
  .catch((error: unknown) => {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    stop(memory, rank, `rank ${rank} failed: ${message}`);
    say({ failure: { message, stack } });
  });
