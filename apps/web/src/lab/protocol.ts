// What the page and the worker say to each other. A job is asked for once, reports progress, and ends once.

import type { DigitsJobs } from '../digits/jobs.js';
import type { ForwardJobs } from '../forward/jobs.js';
import type { PlaneJobs } from '../plane/jobs.js';
import type { SampleJobs } from '../sample/jobs.js';
import type { BackendJobs } from './backend.js';

/** The shape of one job: what it is given, what it reports on the way, and what it ends with. */
export interface Job<Args = unknown, Progress = unknown, Result = unknown> {
  args: Args;
  progress: Progress;
  result: Result;
}

export interface Jobs extends BackendJobs, PlaneJobs, DigitsJobs, ForwardJobs, SampleJobs {}

export type JobName = keyof Jobs;

/** What a job has of whoever asked for it. */
export interface Client<Progress> {
  /** Aborted when nobody wants the job any longer. */
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}

/** What stops when the signal says so, and can be stopped by the worker itself as well. */
export function stoppedBy(signal: AbortSignal): AbortController {
  const stopper = new AbortController();
  const stop = (): void => stopper.abort(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return stopper;
}

/** Whether an error only says that somebody stopped the job. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** How the worker does a job. */
export type Handler<J extends Job> = (args: J['args'], client: Client<J['progress']>) => Promise<J['result']>;

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
