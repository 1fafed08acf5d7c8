// What the page and the worker say to each other. A job is asked for once, reports progress, and ends once.

import type { BackendInfo, BackendName } from './backend.js';
import type { DigitsJobs } from './digits.js';
import type { ForwardJobs } from './forward.js';
import type { PlaneJobs } from './plane.js';
import type { SampleJobs } from './sample.js';

/** The shape of one job: what it is given, what it reports on the way, and what it ends with. */
export interface Job<Args = unknown, Progress = unknown, Result = unknown> {
  args: Args;
  progress: Progress;
  result: Result;
}

export interface Jobs extends PlaneJobs, DigitsJobs, ForwardJobs, SampleJobs {
  backend: Job<{ use: BackendName }, string, BackendInfo>;
}

export type JobName = keyof Jobs;

/** How the worker does a job: what a generator yields is progress, and a job without any is a plain function. */
export type Handler<J extends Job> = (
  args: J['args'],
  signal: AbortSignal,
) => [J['progress']] extends [never] ? Promise<J['result']> : AsyncGenerator<J['progress'], J['result']>;

export type Handlers<Group> = {
  [Name in keyof Group]: Group[Name] extends Job ? Handler<Group[Name]> : never;
};

export type ToWorker =
  | { readonly id: number; readonly job: JobName; readonly args: unknown }
  | { readonly id: number; readonly cancel: true };

export type FromWorker =
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };
