import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder, writeDurably } from './replace-file.js';

/** The files of one checkpoint by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

const STEP = /^(0|[1-9]\d*)$/;

/** The steps of which there is a checkpoint, in order. A folder bears a number only once it is complete. */
export function checkpointSteps(run: string): number[] {
  const folder = join(run, 'checkpoints');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => STEP.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

export function checkpointFolder(run: string, step: number): string {
  return join(run, 'checkpoints', String(step));
}

/**
 * Writes the checkpoint of a step, whole or not at all: the files go to a temporary folder and reach the disk before
 * that folder is given its name. One that exists is left as it is, since a run is a function of its config. Then all
 * but the newest `keep` go.
 */
export function writeCheckpoint(run: string, step: number, files: Files, keep: number): void {
  const folder = checkpointFolder(run, step);
  if (existsSync(folder)) return;
  const temporary = join(run, 'checkpoints', `.tmp-${step}`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    for (const [name, contents] of Object.entries(files)) writeDurably(join(temporary, name), contents);
    syncFolder(temporary);
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  syncFolder(join(run, 'checkpoints'));
  keepNewest(run, keep);
}

/** Removes all checkpoints but the newest. */
export function keepNewest(run: string, keep: number): void {
  for (const old of checkpointSteps(run).slice(0, -keep)) removeCheckpoint(run, old);
}

/** Takes the name away first, so that a kill leaves no half checkpoint under a number. */
export function removeCheckpoint(run: string, step: number): void {
  const doomed = join(run, 'checkpoints', `.old-${step}`);
  renameSync(checkpointFolder(run, step), doomed);
  rmSync(doomed, { recursive: true, force: true });
}

/** Removes what a kill left behind: temporary folders, and those on their way out. */
export function cleanCheckpoints(run: string): void {
  const folder = join(run, 'checkpoints');
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.tmp-') || name.startsWith('.old-'))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}
