const IMPORT_SECTION = 2;
/** 65536 pages of 64 KiB: all that 32 bits can address. */
const MOST_PAGES = [0x80, 0x80, 0x04];

/**
 * The binary of the kernels for a memory shared between threads, which is what tfjs uses on pages that are isolated from
 * other origins. Nothing changes but the import's description of the memory: it is shared, and has a maximum.
 */
export function forSharedMemory(binary: Uint8Array): Uint8Array<ArrayBuffer> {
  // The 8 bytes of the header are followed by sections: id, size, contents.
  for (let at = 8; at < binary.length; ) {
    const id = binary[at]!;
    const size = readSize(binary, at + 1);
    if (id === IMPORT_SECTION) {
      // The one import ends with the flags and the minimum of the memory, a single byte each.
      const contents = binary.slice(size.end, size.end + size.value - 2);
      const minimum = binary[size.end + size.value - 1]!;
      const imported = [...contents, 0x03, minimum, ...MOST_PAGES];
      return Uint8Array.from([
        ...binary.subarray(0, at + 1),
        imported.length,
        ...imported,
        ...binary.subarray(size.end + size.value),
      ]);
    }
    at = size.end + size.value;
  }
  throw new TypeError('the kernels import no memory');
}

/** A number in LEB128, seven bits a byte. */
function readSize(binary: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = binary[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at };
  }
}
