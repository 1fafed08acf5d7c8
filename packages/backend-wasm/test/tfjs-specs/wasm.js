import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
import { useWasm } from '../../src/index.js';

setWasmPaths(process.env.WASM_PATH);
setTestEnvs([{ name: 'wasm', backendName: 'wasm', isDataSync: true }]);

/** Puts our kernels in, unless the command says `plain`. */
export async function start() {
  if (process.argv[3] !== 'plain') await useWasm();
}
