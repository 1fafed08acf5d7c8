// Two files in turn, in the browser's private file system: whatever interrupts a writing, the other one is whole.

const SLOTS = ['digits-a.safetensors', 'digits-b.safetensors'] as const;

/** What is stored, the file written last first; empty where the browser stores nothing. */
export async function storedFiles(): Promise<Uint8Array[]> {
  const files = await Promise.all(SLOTS.map(fileIn));
  return Promise.all(
    files
      .filter((file) => file !== undefined)
      .toSorted((a, b) => b.lastModified - a.lastModified)
      .map(async (file) => new Uint8Array(await file.arrayBuffer())),
  );
}

/** Replaces the older of the two files. */
export async function store(bytes: Uint8Array): Promise<void> {
  const [a, b] = await Promise.all(SLOTS.map(fileIn));
  const slot = (a?.lastModified ?? 0) <= (b?.lastModified ?? 0) ? SLOTS[0] : SLOTS[1];
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(slot, { create: true });
  const stream = await handle.createWritable();
  await stream.write(bytes as Uint8Array<ArrayBuffer>);
  await stream.close();
}

export async function clearStorage(): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  for (const slot of SLOTS) await folder.removeEntry(slot).catch(() => {});
}

async function fileIn(slot: string): Promise<File | undefined> {
  try {
    const folder = await navigator.storage.getDirectory();
    return await (await folder.getFileHandle(slot)).getFile();
  } catch {
    return undefined;
  }
}
