// Vitest has Node take the sources of our packages; threads, which know no TypeScript, take what was built.

import type { WorkerOptions } from 'node:worker_threads';
import { vi } from 'vitest';

vi.mock('node:worker_threads', async (original) => {
  const module = await original<typeof import('node:worker_threads')>();
  class Worker extends module.Worker {
    constructor(file: URL, options: WorkerOptions) {
      super(file, { ...options, execArgv: [] });
    }
  }
  return { ...module, Worker };
});
