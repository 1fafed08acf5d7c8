/** A module with nothing but `f32x4.relaxed_madd`. */
const PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () → v128
  ...[0x03, 0x02, 0x01, 0x00], // one function
  ...[0x0a, 0x13, 0x01, 0x11, 0x00], // its code
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f], // three vectors of zeros
  ...[0xfd, 0x85, 0x02, 0x0b], // f32x4.relaxed_madd, end
);

interface NodeProcess {
  readonly versions: { readonly node?: string; readonly bun?: string };
  getBuiltinModule(name: 'node:v8'): { setFlagsFromString(flags: string): void };
}

/** Whether the engine multiplies and adds in one instruction: whether it has relaxed SIMD. */
export function hasFusedProducts(): boolean {
  if (WebAssembly.validate(PROBE)) return true;
  // Node 20 has it all, but behind a flag.
  const { process } = globalThis as { process?: NodeProcess };
  if (process?.versions.node?.startsWith('20.') && process.versions.bun === undefined) {
    process.getBuiltinModule('node:v8').setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  return WebAssembly.validate(PROBE);
}
