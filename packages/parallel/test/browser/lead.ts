// What a page, or a worker of it, runs as rank 0.

import { workers } from '../../src/web.js';
import ask from '../questions.js';

export interface Run {
  readonly size: number;
  /** The script of the other ranks. */
  readonly script: string;
  readonly options: object;
}

/** What all ranks said, or the message of the error. */
async function run({ size, script, options }: Run): Promise<unknown> {
  const channel = crypto.randomUUID();
  const listening = new BroadcastChannel(channel);
  const said: unknown[] = [];
  const all = new Promise<unknown[]>((resolve) => {
    listening.onmessage = ({ data }) => {
      if (said.push(data) === size) resolve(said);
    };
  });
  try {
    const every = { ...options, channel };
    const answer = await workers(
      size,
      () => new Worker(script, { type: 'module' }),
      every,
      (communicator) => ask(communicator, every),
    );
    return answer === undefined ? 'no error' : await all;
  } catch (error) {
    return (error as Error).message;
  } finally {
    listening.close();
  }
}

if (globalThis.document === undefined) {
  addEventListener('message', async ({ data }: MessageEvent<Run>) => postMessage(await run(data)));
} else {
  Object.assign(globalThis, { run });
}
