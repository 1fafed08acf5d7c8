// The browser's private file system. A file is replaced at once when its writing ends, or not at all.

/** The files whose names begin with `prefix`, by name; none where the browser stores nothing. */
export async function storedFiles(prefix: string): Promise<ReadonlyMap<string, File>> {
  const files = new Map<string, File>();
  try {
    const folder = await navigator.storage.getDirectory();
    for await (const [name, handle] of folder.entries()) {
      if (name.startsWith(prefix) && handle.kind === 'file')
        files.set(name, await (handle as FileSystemFileHandle).getFile());
    }
  } catch {
    // Private windows and pages without https have none.
  }
  return files;
}

export async function storeFile(name: string, bytes: Uint8Array): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(bytes as Uint8Array<ArrayBuffer>);
  await stream.close();
}

export async function forgetFiles(names: Iterable<string>): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  for (const name of names) await folder.removeEntry(name).catch(() => {});
}
