// The page's side of the worker.

import { announce } from '../ui/announce.svelte.js';
import type { BackendInfo, BackendName } from './backend.js';
import type { FromWorker, JobName, Jobs, ToWorker } from './protocol.js';

interface Waiting {
  progress(value: unknown): void;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), {
  type: 'module',
  name: document.baseURI,
});
const waiting = new Map<number, Waiting>();
let lastId = 0;

worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
  const job = waiting.get(data.id);
  if (job === undefined) return;
  if ('progress' in data) return job.progress(data.progress);
  waiting.delete(data.id);
  if ('result' in data) job.resolve(data.result);
  else job.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
};
worker.onerror = (event) => {
  const reason = event.message ? `: ${event.message}` : ', or its code could not be loaded';
  fail(`The worker that computes has stopped${reason}.`);
};
worker.onmessageerror = () => fail('The worker that computes said what this page does not understand.');

/** Nothing will be computed any more: whoever waits is told. */
function fail(failure: string): void {
  backend.failure ||= failure;
  backend.doing = '';
  for (const { reject } of waiting.values()) reject(new Error(failure));
  waiting.clear();
}

export interface RunOptions<K extends JobName> {
  onProgress?(value: Jobs[K]['progress']): void;
  signal?: AbortSignal;
}

/** Has the worker do a job. Aborting asks it to end; the promise then settles as the job decides. */
export function run<K extends JobName>(
  job: K,
  args: Jobs[K]['args'],
  { onProgress, signal }: RunOptions<K> = {},
): Promise<Jobs[K]['result']> {
  // A worker that has stopped would never answer.
  if (backend.failure !== '') return Promise.reject(new Error(backend.failure));
  lastId += 1;
  const id = lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, {
      progress: (value) => onProgress?.(value as Jobs[K]['progress']),
      resolve: (value) => resolve(value as Jobs[K]['result']),
      reject,
    });
    const post = (message: ToWorker): void => worker.postMessage(message);
    post({ id, job, args });
    signal?.addEventListener('abort', () => post({ id, cancel: true }), { once: true });
  });
}

export const backend = $state<{ info: BackendInfo | undefined; doing: string; failure: string }>({
  info: undefined,
  doing: 'Starting',
  failure: '',
});

/** Asks for a backend; `backend.info` says which one it is then. */
export async function chooseBackend(use: BackendName): Promise<void> {
  try {
    backend.info = await run('backend', { use }, { onProgress: (doing) => (backend.doing = doing) });
    if (backend.info.note) announce(backend.info.note);
  } catch (error) {
    fail(`Nothing can be computed: ${(error as Error).message}`);
  }
  backend.doing = '';
}

void chooseBackend('wasm');
