import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Refusal, sentence } from '../errors.js';

/** A file that holds the number of the process which trains the run. */
export const LOCK = 'lock';

/** Does work in the folder of a run, which is made where there is none, with no other process at work in it. */
export async function whileLocked<T>(run: string, work: () => Promise<T>): Promise<T> {
  const file = join(run, LOCK);
  take(run, file);
  try {
    return await work();
  } finally {
    if (holder(file) === process.pid) rmSync(file, { force: true });
  }
}

function take(run: string, file: string): void {
  while (!created(run, file)) {
    const pid = holder(file);
    if (pid === undefined) continue;
    if (pid === 0 ? isYoung(file) : isAtWork(pid)) {
      throw new Refusal(
        `${run} is being trained by another process (${pid}): wait until it ends, or choose another folder with --out (should that process be something else, delete ${file}).`,
      );
    }
    removeStale(file, pid);
  }
}

function created(run: string, file: string): boolean {
  try {
    mkdirSync(run, { recursive: true });
    const handle = openSync(file, 'wx');
    try {
      writeFileSync(handle, `${process.pid}\n`);
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    } finally {
      closeSync(handle);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Refusal(`The run cannot be written to ${run}: ${sentence(error)}.`, { cause: error });
  }
}

// Between the making of a lock and the writing of its number there are microseconds, and a kill may come there.
const WRITTEN_AFTER_MS = 5000;

/** Whether a lock without a number may be one that is being written this moment. */
function isYoung(file: string): boolean {
  const { mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return Date.now() - mtimeMs < WRITTEN_AFTER_MS;
}

/** The process that a lock names, 0 where it is being written this moment; undefined where the lock is gone. */
function holder(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether there is such a process; our own number was another's, before a restart in a container. */
function isAtWork(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes the lock that a killed process left, and not the one that a third has just made in its place. */
function removeStale(file: string, pid: number): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (holder(aside) === pid) rmSync(aside);
  else renameSync(aside, file);
}
