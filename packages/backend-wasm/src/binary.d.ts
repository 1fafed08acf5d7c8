/** The compiled kernels: what build-binary.js writes to dist/binary.js. */
export const binary: Uint8Array<ArrayBuffer>;
