import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { opsKernels } from './ops-kernels.js';
import { randomKernels } from './random-kernels.js';
import { prepare } from './room.js';
import { registerSoftmaxGradient } from './softmax-gradient.js';
import { registerTfjsKernels } from './tfjs-kernels.js';

export interface UseWasmOptions {
  /**
   * Where tfjs's own binary is: its folder (with the closing slash), or its address under its name,
   * `{ 'tfjs-backend-wasm-simd.wasm': url }`. Node finds it by itself; a bundler must be told, see the README.
   */
  wasmPaths?: Parameters<typeof setWasmPaths>[0];
}

/** tfjs asks for the address of all its builds, of which only that with SIMD is ever loaded. */
const NEVER_LOADED = { 'tfjs-backend-wasm.wasm': '', 'tfjs-backend-wasm-threaded-simd.wasm': '' };

/**
 * Makes tfjs's wasm backend the active one, with the kernels of this package in it: those that the ops of diffusion-ts
 * look for, those that tfjs lacks, and faster ones in the place of some of its own. Call it before the first tensor. The
 * backend runs on one thread: tfjs's threads need an isolated page, do not survive bundlers that rename, and would not
 * serve these kernels.
 * @throws Error if the engine has no WebAssembly SIMD, or the backend does not start.
 */
export async function useWasm({ wasmPaths }: UseWasmOptions = {}): Promise<void> {
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))) {
    throw new Error('backend-wasm needs WebAssembly SIMD, which this engine does not have');
  }
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (wasmPaths !== undefined) {
    setWasmPaths(typeof wasmPaths === 'string' ? wasmPaths : { ...NEVER_LOADED, ...wasmPaths });
  }
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of tfjs did not start');
  await prepare();
  if (tf.getKernel(opsKernels[0]!.kernelName, 'wasm') !== undefined) return;
  for (const config of [...opsKernels, ...randomKernels]) tf.registerKernel(config);
  registerTfjsKernels();
  registerSoftmaxGradient();
}
