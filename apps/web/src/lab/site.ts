// Files of the site. The page names its worker after its own address, since a worker only knows where its script lies.

function siteUrl(path: string): string {
  return new URL(path, self.name).href;
}

/** @throws Error if the file cannot be had. */
export async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(siteUrl(path));
  if (!response.ok) throw new Error(`${path} could not be loaded (${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The bytes, unpacked if they are gzip: some hosts have done that already. */
export async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  return new Uint8Array(
    await new Response(stream.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer(),
  );
}
