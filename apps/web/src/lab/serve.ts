// What the page's worker is: everything heavy happens here, and the page never waits for it. It starts others to help.

import { forwardJobs } from '../forward/jobs.js';
import { backendJobs, start } from './backend.js';
import type { FromWorker, Handler, Handlers, Job, JobName, Jobs, ToWorker } from './protocol.js';
import { HELPER } from './shares.js';

/** The worker's half of each page, loaded when it is first asked for; the first page's is there. */
const HALVES: Readonly<Record<string, () => Promise<Partial<Handlers<Jobs>>>>> = {
  backend: async () => backendJobs,
  forward: async () => forwardJobs,
  plane: async () => (await import('../plane/jobs.js')).planeJobs,
  digits: async () => (await import('../digits/jobs.js')).digitsJobs,
  sample: async () => (await import('../sample/jobs.js')).sampleJobs,
};

async function handlerOf(job: JobName): Promise<Handler<Job>> {
  const [page] = job.split('/') as [string];
  const half = Object.hasOwn(HALVES, page) ? await HALVES[page]!() : {};
  if (!Object.hasOwn(half, job)) throw new RangeError(`There is no job "${job}".`);
  return half[job] as Handler<Job>;
}

interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

const running = new Map<number, Running>();
/** Settles when the backend is there: jobs wait for it, also while another one is being compared. */
let ready: Promise<void>;

function post(message: FromWorker): void {
  self.postMessage(message);
}

async function stopAll(): Promise<void> {
  const others = [...running.values()];
  for (const { controller } of others) controller.abort();
  await Promise.all([ready, ...others.map(({ ended }) => ended)]);
}

async function run(
  { id, job, args }: Extract<ToWorker, { job: JobName }>,
  { signal }: AbortController,
  before: Promise<void>,
): Promise<void> {
  try {
    await before;
    const handler = await handlerOf(job);
    const report = (progress: unknown): void => post({ id, progress });
    post({ id, result: await handler(args, { signal, report }) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    post({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
}

/** Does what the page asks for. */
function serve(): void {
  ready = start();
  self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if ('cancel' in data) running.get(data.id)?.controller.abort();
    else {
      // No job sees its backend change under it.
      const before = data.job === 'backend' ? stopAll() : ready;
      const controller = new AbortController();
      const ended = run(data, controller, before);
      running.set(data.id, { controller, ended });
      if (data.job === 'backend') ready = ended;
    }
  };
}

// Whoever started it is told why it cannot help.
if (self.name.endsWith(HELPER)) import('./rank.js').catch(reportError);
else serve();
