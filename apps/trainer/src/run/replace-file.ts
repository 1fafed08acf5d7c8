import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file and makes sure that it is on the disk. */
export function writeDurably(file: string, contents: string | Uint8Array): void {
  const handle = openSync(file, 'w');
  try {
    writeFileSync(handle, contents);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Makes sure that the entries of a folder (a rename, say) are on the disk. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Replaces a file whole or not at all: at no moment does a reader find half of it. */
export function replaceFile(file: string, contents: string | Uint8Array): void {
  writeDurably(`${file}.tmp`, contents);
  renameSync(`${file}.tmp`, file);
  syncFolder(dirname(file));
}
