// The workers that help: each is a rank, and the lab's own worker the first of them. They are started when a job asks for
// them, stay while jobs follow one another, and are one job's at a time.

import { broadcastValue, type Communicator, single } from '@diffusion-ts/parallel';
import { workers } from '@diffusion-ts/parallel/web';
import * as tf from '@tensorflow/tfjs-core';
import { isAbort } from './protocol.js';
import { type Asked, HELPER, type Shares } from './shares.js';

/** How long they stay when nothing is asked of them: as long as somebody may need to move the next knob. */
const REST_MS = 10_000;

interface Helpers {
  readonly communicator: Communicator;
  stop(): void;
}

let helpers: Helpers | undefined;
let resting: ReturnType<typeof setTimeout> | undefined;
let last: Promise<unknown> = Promise.resolve();
/** What those jobs are that have the helpers or wait for them. */
const shares: (keyof Shares)[] = [];

/** Whether the helpers are at such a job, or will be before they are free. */
export function areHelpersAt(share: keyof Shares): boolean {
  return shares.includes(share);
}

/** Ends all helpers at once. */
export function stopHelpers(): void {
  clearTimeout(resting);
  helpers?.stop();
  helpers = undefined;
}

/**
 * Does a job on `size` ranks: `lead` is the part of this one, and the others are told what theirs is. It waits for the job
 * that has the helpers. WebGPU has one device, so there `lead` is alone.
 * @throws Error with the message of the first rank that failed; the next job has others then.
 */
export async function together<Name extends keyof Shares, Result>(
  size: number,
  share: Name,
  told: Shares[Name],
  lead: (communicator: Communicator) => Promise<Result>,
): Promise<Result> {
  if (size === 1 || tf.getBackend() !== 'wasm') return lead(single());
  const work = last.then(() => led(size, { share, told } as Asked, lead));
  last = work.catch(() => {});
  shares.push(share);
  return work.finally(() => {
    shares.shift();
  });
}

async function led<Result>(
  size: number,
  asked: Asked,
  lead: (communicator: Communicator) => Promise<Result>,
): Promise<Result> {
  clearTimeout(resting);
  if (helpers?.communicator.size !== size) stopHelpers();
  try {
    helpers ??= await startHelpers(size);
    const { communicator } = helpers;
    await broadcastValue(communicator, asked);
    return await lead(communicator);
  } catch (error) {
    // All end together where the visitor has stopped the job; else they no longer ask for the same.
    if (!isAbort(error)) stopHelpers();
    throw error;
  } finally {
    resting = setTimeout(stopHelpers, REST_MS);
  }
}

function startHelpers(size: number): Promise<Helpers> {
  const start = (): Worker => new Worker(location.href, { type: 'module', name: `${self.name}${HELPER}` });
  return new Promise((resolve, reject) => {
    workers(
      size,
      start,
      undefined,
      (communicator) =>
        new Promise<never>((_, end) => {
          resolve({ communicator, stop: () => end(new Error('The helpers are not needed any more.')) });
        }),
    ).catch(reject);
  });
}
