import { Worker } from 'node:worker_threads';
import type { Communicator } from './communicator.js';
import { communicatorOver } from './communicator-over.js';
import { sentenceOf, sharedMemory, sharedWire, stop, stoppedBy, yielding } from './shared-memory.js';
import { single } from './single.js';
import type { Outcome, ThreadData } from './thread.js';

/**
 * Runs `lead` in this thread, as rank 0, and the default export of a module, `(communicator, data) => …`, in `size` − 1
 * worker threads, the other ranks; gives what `lead` returns. They share memory. While they wait, the others block their
 * threads; this one does not. Where `lead` returns, what the others still do is awaited; where it throws, they are ended at
 * once. No thread is left when it settles.
 *
 * @param module where the module is, such as `new URL('./rank.js', import.meta.url)`; Node must be able to load it as it is.
 * @param data what each of the others is given, cloned; a SharedArrayBuffer in it is shared.
 * @throws TypeError or RangeError if `size` or `module` is not what it should be; Error with the message of the first rank
 * that failed. What `lead` asks next is refused with it, so that it may still save what it has, and so is what the others ask.
 * @example
 * const loss = await threads(2, new URL('./rank.js', import.meta.url), { steps: 100 }, (communicator) =>
 *   trainTogether(communicator, { steps: 100 }),
 * );
 */
export async function threads<Result>(
  size: number,
  module: URL | string,
  data: unknown,
  lead: (communicator: Communicator) => Promise<Result>,
): Promise<Result> {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size must be a whole number of threads from 1 up, not ${size}`);
  }
  if (!URL.canParse(module)) {
    throw new TypeError(
      `module must be a URL, such as new URL('./rank.js', import.meta.url), not ${String(module)}`,
    );
  }
  if (size === 1) return lead(single());
  const memory = sharedMemory(size);
  const others = Array.from({ length: size - 1 }, (_, i) =>
    startThread({ memory, rank: i + 1, module: String(module), data }),
  );
  const communicator = communicatorOver(sharedWire(memory, 0, yielding));
  /** Why one of the others failed: the one that all were stopped by, since others fail for it. */
  const failure = async (): Promise<Failure | undefined> => {
    const failures = (await Promise.all(others.map(({ ended }) => ended))).filter((one) => one !== undefined);
    return failures.find(({ rank }) => rank === stoppedBy(memory)) ?? failures[0];
  };
  let result: Result;
  try {
    result = await lead(communicator);
    await communicator.close();
  } catch (error) {
    stop(memory, 0, sentenceOf(0, error instanceof Error ? error.message : String(error)));
    await Promise.all(others.map(({ end }) => end()));
    if (error instanceof Error) error.cause ??= (await failure())?.cause;
    throw error;
  }
  const failed = await failure();
  if (failed !== undefined) throw new Error(failed.sentence, { cause: failed.cause });
  return result;
}

interface Failure {
  readonly rank: number;
  /** What all other ranks are told. */
  readonly sentence: string;
  /** The error itself, with the stack that it has in its thread. */
  readonly cause: Error;
}

/** One rank: `ended` gives why it failed, if it did, once its thread is no more; `end` ends it. */
function startThread(workerData: ThreadData): {
  readonly ended: Promise<Failure | undefined>;
  end(): Promise<unknown>;
} {
  const { memory, rank } = workerData;
  // From the sources too, which Node cannot load in a thread.
  const worker = new Worker(new URL('../dist/thread.js', import.meta.url), { workerData });
  let outcome: Outcome | undefined;
  let isEnded = false;
  const fail = (message: string, stack = ''): void => {
    outcome ??= { failure: { message, stack } };
    stop(memory, rank, sentenceOf(rank, message));
  };
  worker.once('message', (said: Outcome) => {
    outcome = said;
    // Whatever it left behind, such as a timer, does not count.
    void worker.terminate();
  });
  worker.once('error', ({ message, stack }: Error) => fail(message, stack));
  const ended = new Promise<Failure | undefined>((resolve) => {
    worker.once('exit', (code) => {
      if (outcome === undefined && !isEnded) fail(`its thread ended with code ${code}`);
      const failure = outcome?.failure;
      if (failure === undefined) return resolve(undefined);
      const { message, stack } = failure;
      resolve({
        rank,
        sentence: sentenceOf(rank, message),
        cause: Object.assign(new Error(message), { stack }),
      });
    });
  });
  return {
    ended,
    end() {
      isEnded = true;
      return worker.terminate();
    },
  };
}
