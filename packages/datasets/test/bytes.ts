import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An IDX file of unsigned bytes, or of another element type. */
export function idxBytes(shape: readonly number[], values: ArrayLike<number>, type = 0x08): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length);
  bytes.set([0, 0, type, shape.length]);
  const view = new DataView(bytes.buffer);
  shape.forEach((n, i) => void view.setUint32(4 + 4 * i, n));
  bytes.set(Array.from(values), 4 + 4 * shape.length);
  return bytes;
}

/** An empty folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'datasets-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
