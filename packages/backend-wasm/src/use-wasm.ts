import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { opsKernels } from './ops-kernels.js';
import { randomKernels } from './random-kernels.js';
import { prepare, type WasmBackend } from './room.js';
import { registerTfjsKernels } from './tfjs-kernels.js';

export interface UseWasmOptions {
  /**
   * Where tfjs's own binaries are: a folder (with its closing slash), or the address of each file by its name. Node
   * finds them by itself; a bundler must be told, see the README.
   */
  wasmPaths?: Parameters<typeof setWasmPaths>[0];
}

/**
 * Makes tfjs's wasm backend the active one, with the kernels of this package in it: those that the ops of diffusion-ts
 * look for, those that tfjs lacks, and faster ones in the place of some of its own. Call it before the first tensor.
 * @throws Error if the engine has no WebAssembly SIMD, or the backend does not start.
 */
export async function useWasm({ wasmPaths }: UseWasmOptions = {}): Promise<void> {
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))) {
    throw new Error('backend-wasm needs WebAssembly SIMD, which this engine does not have');
  }
  if (wasmPaths !== undefined) setWasmPaths(wasmPaths);
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of tfjs did not start');
  await prepare(tf.backend() as unknown as WasmBackend);
  if (tf.getKernel(opsKernels[0]!.kernelName, 'wasm') !== undefined) return;
  for (const config of [...opsKernels, ...randomKernels]) tf.registerKernel(config);
  registerTfjsKernels();
}
