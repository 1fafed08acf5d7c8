// What each thread of `threads` runs.

import { parentPort, workerData } from 'node:worker_threads';
import { following } from './leading.js';
import { blocking, sharedWire } from './shared-memory.js';

/** What a thread is given. */
export interface ThreadData {
  readonly memory: SharedArrayBuffer;
  readonly rank: number;
  readonly module: string;
  readonly data: unknown;
}

const { memory, rank, module, data } = workerData as ThreadData;
void following(sharedWire(memory, rank, blocking), async (communicator) => {
  const { default: run } = (await import(module)) as { default: unknown };
  if (typeof run !== 'function') {
    throw new TypeError(`${module} must export a function as its default, not ${typeof run}`);
  }
  await run(communicator, data);
}).then((outcome) => parentPort!.postMessage(outcome));
