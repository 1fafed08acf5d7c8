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

interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

const running = new Map<number, Running>();
/** Settles when the backend is there: jobs wait for it, also while another one is being compared. */
let ready = start();

function post(message: FromWorker): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ('cancel' in data) running.get(data.id)?.controller.abort();
  else {
    // No job sees its backend change under it.
    const before = data.job === 'backend' ? stopAll() : ready;
    const controller = new AbortController();
    const ended = run(data.id, handlers[data.job] as AnyHandler, data.args, controller, before);
    running.set(data.id, { controller, ended });
    if (data.job === 'backend') ready = ended;
  }
};

async function stopAll(): Promise<void> {
  const others = [...running.values()];
  for (const { controller } of others) controller.abort();
  await Promise.all([ready, ...others.map(({ ended }) => ended)]);
}

async function run(
  id: number,
  handler: AnyHandler,
  args: unknown,
  controller: AbortController,
  before: Promise<void>,
): Promise<void> {
  try {
    await before;
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
