// The browser's private file system and its locks, as a worker of Safari before 26 has them: without createWritable.

import { vi } from 'vitest';
import { PATIENCE_MS } from '../src/lab/storage.js';

export interface PrivateFiles {
  /** What lies there, by name. */
  readonly files: Map<string, Uint8Array>;
  /** What `navigator` is to be. */
  navigator(): object;
  /** From now on another tab has every lock that anybody asks for, until it is closed: nobody's patience lasts so long. */
  otherTab(): { close(): void };
  /** Lets the next write wait in its middle. */
  holdWrites(): { readonly begun: Promise<void>; release(): void };
  /** Refuses the next writes with an error of this name; undefined for none. */
  refuse(error: string | undefined): void;
  /** Lets the next write end after so many bytes, as when a tab is closed. */
  cutNextWriteAt(bytes: number): void;
}

export function privateFiles(): PrivateFiles {
  const files = new Map<string, Uint8Array>();
  let refused: string | undefined;
  let cutAt: number | undefined;
  let others = 0;
  let hold: { begin(): void; readonly released: Promise<void> } | undefined;

  const access = async (name: string) => {
    if (hold) {
      const held = hold;
      hold = undefined;
      held.begin();
      await held.released;
    }
    return {
      truncate: (size: number) => void files.set(name, files.get(name)!.slice(0, size)),
      write(bytes: Uint8Array, { at }: { at: number }) {
        if (refused !== undefined) throw new DOMException('Refused.', refused);
        const room = cutAt === undefined ? bytes.length : Math.max(0, cutAt - at);
        const before = files.get(name)!;
        const after = new Uint8Array(Math.max(before.length, at + Math.min(room, bytes.length)));
        after.set(before);
        after.set(bytes.subarray(0, room), at);
        files.set(name, after);
        if (room < bytes.length) throw new Error('The tab is closed.');
        return bytes.length;
      },
      flush() {},
      close() {},
    };
  };
  const directory = {
    async getFileHandle(name: string, { create = false } = {}) {
      if (!files.has(name)) {
        if (!create) throw new DOMException('Not found.', 'NotFoundError');
        files.set(name, new Uint8Array());
      }
      return {
        createSyncAccessHandle: () => access(name),
        getFile: async () => new File([files.get(name)! as BlobPart], name),
      };
    },
    async removeEntry(name: string) {
      // A tab that is closed in the middle removes nothing any more.
      if (cutAt === undefined) files.delete(name);
    },
    async *entries() {
      for (const name of [...files.keys()]) yield [name, { kind: 'file' }];
    },
  };
  const locks = {
    async request(_: string, { signal }: { signal: AbortSignal }, hold: () => Promise<void>) {
      if (others > 0) {
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          vi.advanceTimersByTime(PATIENCE_MS);
        });
      }
      void hold();
    },
  };
  return {
    files,
    navigator: () => ({ storage: { getDirectory: async () => directory }, locks }),
    otherTab() {
      others += 1;
      return {
        close() {
          others -= 1;
        },
      };
    },
    holdWrites() {
      let release = (): void => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const begun = new Promise<void>((begin) => {
        hold = { begin, released };
      });
      return { begun, release };
    },
    refuse(error) {
      refused = error;
    },
    cutNextWriteAt(bytes) {
      cutAt = bytes;
    },
  };
}
