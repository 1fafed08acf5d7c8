import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

/** A folder that is new and empty, and gone after the file's tests. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'diffusion-'));
  made.push(path);
  return path;
}

/** Called after each file: files share the modules of one process. */
export function removeFolders(): void {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
}
