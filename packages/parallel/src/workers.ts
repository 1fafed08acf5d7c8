// Workers of a page, or of a worker of it.

import type { Communicator } from './communicator.js';
import { failureOf, following, leading, type OtherRank, type Outcome } from './leading.js';
import { messageWire } from './messages.js';
import { blocking, sharedMemory, sharedWire, yielding } from './shared-memory.js';
import { single } from './single.js';
import { hasFailed } from './wire.js';

/** With what a worker says that it is there, and hands over a port. */
const GREETING = '@diffusion-ts/parallel';

/** What a worker is told through it. */
interface Start {
  readonly rank: number;
  readonly size: number;
  readonly link: SharedArrayBuffer | MessagePort;
  readonly data: unknown;
}

/**
 * Runs `lead` here, as rank 0, and `size` − 1 workers, the other ranks, whose module calls `runRank`; gives what `lead`
 * returns. This thread, a page's too, is never blocked. The ranks share memory where the page is isolated from other origins
 * (`crossOriginIsolated`), and send messages where it is not: with the same bits. Where `lead` returns, what the others still
 * do is awaited; where it throws, they are ended at once. No worker is left when it settles. One that closes itself is waited
 * for.
 *
 * @param start starts a worker, as only the page's own bundler can.
 * @param data what each of the others is given, cloned.
 * @throws RangeError if `size` is not what it should be; Error with the message of the first rank that failed. What `lead`
 * asks next is refused with it, so that it may still save what it has, and so is what the others ask.
 * @example
 * const start = () => new Worker(new URL('./rank.js', import.meta.url), { type: 'module' });
 * const loss = await workers(2, start, { steps: 100 }, (communicator) => trainTogether(communicator, { steps: 100 }));
 */
export async function workers<Result>(
  size: number,
  start: () => Worker,
  data: unknown,
  lead: (communicator: Communicator) => Promise<Result>,
): Promise<Result> {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`size must be a whole number of workers from 1 up, not ${size}`);
  }
  if (size === 1) return lead(single());
  const numbers = Array.from({ length: size - 1 }, (_, i) => i + 1);
  const { wire, links } = linked(numbers);
  const others: OtherRank[] = [];
  // Those that are started end too where the next cannot be.
  return leading(wire, others, async (communicator) => {
    for (const rank of numbers) {
      others.push(startWorker(start(), { rank, size, link: links[rank - 1]!, data }, wire.stop));
    }
    return lead(communicator);
  });
}

/**
 * What the module of a worker calls once, for the rank that it is. It may block its thread while it waits for the others.
 * @example
 * runRank<{ steps: number }>((communicator, data) => trainTogether(communicator, data));
 */
export function runRank<Data>(run: (communicator: Communicator, data: Data) => Promise<unknown>): void {
  const { port1: port, port2 } = new MessageChannel();
  port.onmessage = async ({ data: { rank, size, link, data } }: MessageEvent<Start>) => {
    const wire =
      link instanceof MessagePort ? messageWire(rank, size, [link]) : sharedWire(link, rank, blocking);
    port.postMessage(await following(wire, (communicator) => run(communicator, data as Data)));
  };
  // Of a worker; the page's would need an origin.
  postMessage(GREETING, { transfer: [port2] });
}

/** The wire of rank 0, and what each of the others makes its own of. */
function linked(others: readonly number[]) {
  const size = others.length + 1;
  // Some engines isolate pages and have no shared memory; without `waitAsync` rank 0 could wait only by blocking its thread.
  if (
    globalThis.crossOriginIsolated &&
    globalThis.SharedArrayBuffer !== undefined &&
    'waitAsync' in Atomics
  ) {
    const memory = sharedMemory(size);
    return { wire: sharedWire(memory, 0, yielding), links: others.map(() => memory) };
  }
  const channels = others.map(() => new MessageChannel());
  const wire = messageWire(
    0,
    size,
    channels.map(({ port1 }) => port1),
  );
  return { wire, links: channels.map(({ port2 }) => port2) };
}

function startWorker(worker: Worker, start: Start, stop: (sentence: string) => void): OtherRank {
  const { rank, link } = start;
  let end = (): void => {};
  const ended = new Promise<Outcome>((resolve) => {
    const say = (outcome: Outcome): void => {
      if (outcome.failure !== undefined) stop(hasFailed(rank, outcome.failure.message));
      resolve(outcome);
    };
    end = () => {
      worker.terminate();
      say({});
    };
    worker.addEventListener('message', ({ data, ports: [port] }) => {
      if (data !== GREETING) return;
      port!.onmessage = ({ data: outcome }: MessageEvent<Outcome>) => say(outcome);
      try {
        port!.postMessage(start, link instanceof MessagePort ? [link] : []);
      } catch (error) {
        say({ failure: failureOf(error) });
      }
    });
    // An event without a message is of a script that does not load.
    worker.addEventListener('error', ({ message }) =>
      say({ failure: { message: message || 'its worker could not be loaded', stack: '' } }),
    );
  });
  return { rank, ended, end };
}
