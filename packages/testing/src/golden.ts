import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a file under the project's `golden/`. */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url));
}

/** A golden JSON file, e.g. `golden('schedules')`; the caller states the part of its shape that it reads. */
export function golden<T>(name: string): T {
  // Python writes infinities that JSON does not know; 1e999 is one that it does.
  const json = readFileSync(goldenPath(`${name}.json`), 'utf8').replaceAll(/\bInfinity\b/g, '1e999');
  return JSON.parse(json) as T;
}
