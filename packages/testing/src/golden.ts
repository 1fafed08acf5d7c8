import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a file under the project's `golden/`. */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url));
}

/** A golden JSON file, e.g. `golden('schedules')`; the caller states the part of its shape that it reads. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(`${name}.json`), 'utf8')) as T;
}
