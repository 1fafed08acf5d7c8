// The browser's private file system, written the one way that every browser has (Safari before 26 lacks createWritable).
// A file lies under one of two names: what is new goes to the other one and gets its stamp last, and only then what was
// there before goes. A file without a stamp was stored by an earlier version of the site, or is not whole.

/** The second of the two names ends in it. */
const SECOND = '~';
const MAGIC = 0x6c61622d66696c65n;
/** The magic number, which version of the file it is, and how many bytes come before. */
const STAMP_BYTES = 24;
/** A tab that was just reloaded has not let go of everything yet. */
export const PATIENCE_MS = 2000;

/** TypeScript knows it in workers alone; Safari before 16.4 has all but reading and writing as promises. */
interface SyncAccess {
  truncate(size: number): void | Promise<void>;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  flush(): void | Promise<void>;
  close(): void | Promise<void>;
}
type Handle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncAccess> };

interface Version {
  readonly slot: string;
  readonly version: number;
  readonly file: Blob;
}

/** The files whose names begin with `prefix`, by name; none where the browser stores nothing. */
export async function storedFiles(prefix: string): Promise<ReadonlyMap<string, Blob>> {
  const files = new Map<string, Blob>();
  try {
    const folder = await navigator.storage.getDirectory();
    const names = new Set<string>();
    for await (const [name, handle] of folder.entries())
      if (name.startsWith(prefix) && handle.kind === 'file') names.add(withoutSecond(name));
    for (const name of names) {
      const newest = await inTurn(name, () => newestOf(folder, name));
      if (newest) files.set(name, newest.file);
    }
  } catch {
    // Private windows and pages without https have none.
  }
  return files;
}

/** @throws Error where the browser refuses; what was stored before is then still there. */
export async function storeFile(name: string, bytes: Uint8Array): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  await inTurn(name, async () => {
    const before = await newestOf(folder, name);
    // Under the second name at first: without a stamp, the first one would pass for a file of an earlier version.
    const slot = before?.slot === name + SECOND ? name : name + SECOND;
    try {
      await write(folder, slot, bytes, stampOf((before?.version ?? 0) + 1, bytes.length));
    } catch (error) {
      await folder.removeEntry(slot).catch(() => {});
      throw error;
    }
    if (before) await folder.removeEntry(before.slot).catch(() => {});
  });
}

/** Stores a file of a run; says why where that is not possible. */
export async function keepFile(name: string, bytes: () => Promise<Uint8Array>): Promise<string | undefined> {
  try {
    await storeFile(name, await bytes());
    return undefined;
  } catch (error) {
    const { name, message } = error as Error;
    const reason =
      name === 'QuotaExceededError'
        ? 'there is no room left for this site'
        : error instanceof TypeError
          ? 'it gives this page no file system'
          : message.replace(/\.$/, '');
    return `This browser does not store the run (${reason}): it is lost when the page is closed.`;
  }
}

/** Waits for what is being written of the files, and removes them. */
export async function forgetFiles(names: Iterable<string>): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  for (const name of names) {
    await inTurn(name, async () => {
      for (const slot of [name, name + SECOND]) await folder.removeEntry(slot).catch(() => {});
    });
  }
}

/**
 * Puts a file that cannot be read under another name, where nothing overwrites it, and says so.
 * @returns a sentence for the visitor.
 */
export async function setAside(name: string, file: Blob, reason: unknown): Promise<string> {
  const why = reason instanceof Error ? reason.message : String(reason);
  const aside = `unread-${Date.now()}-${name}`;
  try {
    await storeFile(aside, new Uint8Array(await file.arrayBuffer()));
    await forgetFiles([name]);
    return `A stored run could not be read (${why.replace(/\.$/, '')}). It is kept as ${aside} in this browser's private file system.`;
  } catch {
    return `A stored run could not be read (${why.replace(/\.$/, '')}), nor moved: it is where it was.`;
  }
}

/** What is said of a run that another tab has. */
export const ELSEWHERE = 'open in another tab: here it can only be looked at.';

/** Makes a file this tab's own, as long as the tab is there; false where another tab has it. To be asked for once. */
export async function own(name: string): Promise<boolean> {
  if (navigator.locks === undefined) return true;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  return new Promise((resolve) => {
    navigator.locks
      .request(`lab/${name}`, { signal: patience.signal }, () => {
        clearTimeout(timer);
        resolve(true);
        // Held until the tab is closed.
        return new Promise<void>(() => {});
      })
      // Waited in vain; where locks are refused altogether, nobody else has one.
      .catch((error: Error) => resolve(error.name !== 'AbortError'));
  });
}

function withoutSecond(name: string): string {
  return name.endsWith(SECOND) ? name.slice(0, -SECOND.length) : name;
}

const turns = new Map<string, Promise<unknown>>();

/** What is done to a file waits for what was begun before. */
function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(name) ?? Promise.resolve()).then(work, work);
  turns.set(
    name,
    turn.catch(() => {}),
  );
  return turn;
}

async function newestOf(folder: FileSystemDirectoryHandle, name: string): Promise<Version | undefined> {
  const versions = await Promise.all([name, name + SECOND].map((slot) => versionOf(folder, slot)));
  return versions.reduce((a, b) => (b !== undefined && b.version > (a?.version ?? -1) ? b : a));
}

async function versionOf(folder: FileSystemDirectoryHandle, slot: string): Promise<Version | undefined> {
  const handle = await folder.getFileHandle(slot).catch(() => undefined);
  if (handle === undefined) return undefined;
  const file = await handle.getFile();
  const length = file.size - STAMP_BYTES;
  if (length >= 0) {
    const stamp = new DataView(await file.slice(length).arrayBuffer());
    if (stamp.getBigUint64(0) === MAGIC && stamp.getFloat64(16) === length)
      return { slot, version: stamp.getFloat64(8), file: file.slice(0, length) };
  }
  return slot.endsWith(SECOND) ? undefined : { slot, version: 0, file };
}

function stampOf(version: number, length: number): Uint8Array {
  const stamp = new DataView(new ArrayBuffer(STAMP_BYTES));
  stamp.setBigUint64(0, MAGIC);
  stamp.setFloat64(8, version);
  stamp.setFloat64(16, length);
  return new Uint8Array(stamp.buffer);
}

async function write(
  folder: FileSystemDirectoryHandle,
  slot: string,
  bytes: Uint8Array,
  stamp: Uint8Array,
): Promise<void> {
  const handle = (await folder.getFileHandle(slot, { create: true })) as Handle;
  const access = await handle.createSyncAccessHandle();
  try {
    await access.truncate(0);
    let at = 0;
    for (const part of [bytes, stamp]) {
      const written = access.write(part, { at });
      if (written < part.length) throw new DOMException('There is no room left.', 'QuotaExceededError');
      at += written;
      await access.flush();
    }
  } finally {
    await access.close();
  }
}
