// What each thread of `threads` runs.

import { parentPort, workerData } from 'node:worker_threads';
import { communicatorOver } from './communicator-over.js';
import { blocking, sentenceOf, sharedWire, stop } from './shared-memory.js';

/** What a thread is given. */
export interface ThreadData {
  readonly memory: SharedArrayBuffer;
  readonly rank: number;
  readonly module: string;
  readonly data: unknown;
}

/** What a thread says in the end: why it failed, if it did. */
export interface Outcome {
  readonly failure?: { readonly message: string; readonly stack: string };
}

async function runRank({ memory, rank, module, data }: ThreadData): Promise<void> {
  const { default: run } = (await import(module)) as { default: unknown };
  if (typeof run !== 'function') {
    throw new TypeError(`${module} must export a function as its default, not ${typeof run}`);
  }
  const communicator = communicatorOver(sharedWire(memory, rank, blocking));
  await run(communicator, data);
  await communicator.close();
}

const { memory, rank } = workerData as ThreadData;
const say = (outcome: Outcome): void => parentPort!.postMessage(outcome);

runRank(workerData as ThreadData).then(
  () => say({}),
  (error: unknown) => {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    stop(memory, rank, sentenceOf(rank, message));
    say({ failure: { message, stack } });
  },
);
