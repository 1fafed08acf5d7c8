import { readFile } from 'node:fs/promises';
import { DataError } from './data-error.js';

/** The bytes of a file; what cannot be read is a DataError that names it. */
export async function readBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(path, cause);
  });
}

/** The DataError for a file or folder that the system would not let us read. */
export function unreadable(path: string, cause: NodeJS.ErrnoException): DataError {
  const reason = cause.code === 'ENOENT' ? 'there is no such file or folder' : (cause.code ?? cause.message);
  return new DataError(`${path} cannot be read: ${reason}`, { cause });
}
