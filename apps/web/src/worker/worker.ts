// The one worker: everything heavy happens here, and the page never waits for it.

import { start, useBackend } from './backend.js';
import { digitsJobs } from './digits.js';
import { forwardJobs } from './forward.js';
import { planeJobs } from './plane.js';
import type { FromWorker, Handlers, Jobs, ToWorker } from './protocol.js';
import { sampleJobs } from './sample.js';

type AnyHandler = (args: unknown, signal: AbortSignal) => Promise<unknown> | AsyncGenerator<unknown, unknown>;

const handlers: Handlers<Jobs> = {
  backend: useBackend,
  ...planeJobs,
  ...digitsJobs,
  ...forwardJobs,
  ...sampleJobs,
};

const running = new Map<number, AbortController>();
const ready = start();

function post(message: FromWorker): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ('cancel' in data) running.get(data.id)?.abort();
  else void run(data.id, handlers[data.job] as AnyHandler, data.args);
};

async function run(id: number, handler: AnyHandler, args: unknown): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    await ready;
    post({ id, result: await finish(id, handler(args, controller.signal)) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    post({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
}

async function finish(
  id: number,
  work: Promise<unknown> | AsyncGenerator<unknown, unknown>,
): Promise<unknown> {
  if (work instanceof Promise) return work;
  let step = await work.next();
  while (!step.done) {
    post({ id, progress: step.value });
    step = await work.next();
  }
  return step.value;
}
