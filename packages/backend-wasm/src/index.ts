export { type UseWasmOptions, useWasm } from './use-wasm.js';
