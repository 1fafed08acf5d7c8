/** The compiled kernels: what build-binary.js writes to dist/binary.js and, with relaxed SIMD, to dist/fused-binary.js. */
export const binary: Uint8Array<ArrayBuffer>;
