import { Worker } from 'node:worker_threads';
import type { Communicator } from './communicator.js';
import { failureOf, leading, type OtherRank, type Outcome } from './leading.js';
import { sharedMemory, sharedWire, yielding } from './shared-memory.js';
import { single } from './single.js';
import type { ThreadData } from './thread.js';
import { hasFailed } from './wire.js';

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
  const wire = sharedWire(memory, 0, yielding);
  const others = Array.from({ length: size - 1 }, (_, i) =>
    startThread({ memory, rank: i + 1, module: String(module), data }, wire.stop),
  );
  return leading(wire, others, lead);
}

function startThread(workerData: ThreadData, stop: (sentence: string) => void): OtherRank {
  const { rank } = workerData;
  // From the sources too, which Node cannot load in a thread.
  const worker = new Worker(new URL('../dist/thread.js', import.meta.url), { workerData });
  let outcome: Outcome | undefined;
  const say = (said: Outcome): void => {
    outcome ??= said;
    if (outcome.failure !== undefined) stop(hasFailed(rank, outcome.failure.message));
  };
  worker.once('message', (said: Outcome) => {
    say(said);
    // Whatever it left behind, such as a timer, does not count.
    void worker.terminate();
  });
  worker.once('error', (error) => say({ failure: failureOf(error) }));
  const ended = new Promise<Outcome>((resolve) => {
    worker.once('exit', (code) => {
      say({ failure: { message: `its thread ended with code ${code}`, stack: '' } });
      resolve(outcome!);
    });
  });
  return {
    rank,
    ended,
    end() {
      say({});
      return worker.terminate();
    },
  };
}
