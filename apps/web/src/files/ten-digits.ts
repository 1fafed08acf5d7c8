const PIXELS = 28 * 28;

/** One handwritten digit of each class, in [−1, 1]: entry k is a k. */
export async function tenDigits(): Promise<Float32Array[]> {
  const response = await fetch('./data/ten.bin');
  if (!response.ok) throw new Error(`The digits could not be loaded (${response.status}).`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return Array.from({ length: 10 }, (_, k) =>
    Float32Array.from(bytes.subarray(k * PIXELS, (k + 1) * PIXELS), (byte) => byte / 127.5 - 1),
  );
}
