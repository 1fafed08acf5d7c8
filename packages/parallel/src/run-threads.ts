import { Worker } from 'node:worker_threads';
import { sharedMemory, stop, stoppedBy } from './shared-memory.js';
import type { Outcome, ThreadData } from './thread.js';

/**
 * Runs the default export of a module, `(communicator, data) => result`, in `size` worker threads, each of which is a rank;
 * gives what each returned, in the order of the ranks. They share memory, so a rank blocks its own thread while it waits for
 * the others, and never the one that calls this. No thread is left when it settles.
 *
 * @param module where the module is, such as `new URL('./rank.js', import.meta.url)`; Node must be able to load it as it is.
 * @param data what each rank is given, cloned; a SharedArrayBuffer in it is shared.
 * @throws TypeError or RangeError if `size` or `module` is not what it should be; Error with the message of the first rank
 * that failed. The others are then woken with it wherever they wait, and awaited: they may still save what they have.
 * @example
 * const [loss] = await runThreads<number>(2, new URL('./rank.js', import.meta.url), { steps: 100 });
 */
export async function runThreads<Result = unknown>(
  size: number,
  module: URL | string,
  data?: unknown,
): Promise<Result[]> {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size must be a whole number of threads from 1 up, not ${size}`);
  }
  if (!URL.canParse(module)) {
    throw new TypeError(
      `module must be a URL, such as new URL('./rank.js', import.meta.url), not ${String(module)}`,
    );
  }
  const memory = sharedMemory(size);
  const settled = await Promise.allSettled(
    Array.from({ length: size }, (_, rank) =>
      runThread<Result>({ memory, rank, module: String(module), data }),
    ),
  );
  const failed = settled.flatMap(({ status }, rank) => (status === 'rejected' ? [rank] : []));
  // Where one failed others fail for it, with its message.
  const first = failed.find((rank) => rank === stoppedBy(memory)) ?? failed[0];
  return settled.map((_, rank) => {
    const outcome = settled[first ?? rank]!;
    if (outcome.status === 'fulfilled') return outcome.value;
    throw new Error(`rank ${first} failed: ${outcome.reason.message}`, { cause: outcome.reason });
  });
}

/** One rank, from its start to when its thread has ended. */
function runThread<Result>(workerData: ThreadData): Promise<Result> {
  const { memory, rank } = workerData;
  // From the sources too, which Node cannot load in a thread.
  const worker = new Worker(new URL('../dist/thread.js', import.meta.url), { workerData });
  let outcome: Outcome | undefined;
  const fail = (message: string, stack = ''): void => {
    outcome ??= { failure: { message, stack } };
    stop(memory, rank, `rank ${rank} failed: ${message}`);
  };
  return new Promise((resolve, reject) => {
    worker.once('message', (said: Outcome) => {
      outcome = said;
      void worker.terminate();
    });
    worker.once('error', ({ message, stack }: Error) => fail(message, stack));
    worker.once('exit', (code) => {
      if (outcome === undefined) fail(`its thread ended with code ${code}`);
      if ('result' in outcome!) return resolve(outcome.result as Result);
      const { message, stack } = outcome!.failure;
      reject(Object.assign(new Error(message), { stack }));
    });
  });
}
