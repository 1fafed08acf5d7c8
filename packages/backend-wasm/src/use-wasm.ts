import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { opsKernels } from './ops-kernels.js';
import { randomKernels } from './random-kernels.js';
import { prepare, roomOf, type WasmBackend } from './room.js';
import { registerSoftmaxGradient } from './softmax-gradient.js';
import { registerTfjsKernels } from './tfjs-kernels.js';

/** Where `useWasm` finds what it loads. */
export interface UseWasmOptions {
  /**
   * Where tfjs's own binary is: its folder (with the closing slash), or its address under its name,
   * `{ 'tfjs-backend-wasm-simd.wasm': url }`. Node finds it by itself, and so do pages built by Vite, webpack or Next; see
   * the README for others.
   */
  wasmPaths?: Parameters<typeof setWasmPaths>[0];
}

const SIMD = 'tfjs-backend-wasm-simd.wasm';

/** tfjs asks for the address of all its builds, of which only that with SIMD is ever loaded. */
const NEVER_LOADED = { 'tfjs-backend-wasm.wasm': '', 'tfjs-backend-wasm-threaded-simd.wasm': '' };

/**
 * Makes tfjs's wasm backend the active one, with the kernels of this package in it: those that the ops of diffusion-ts
 * look for, those that tfjs lacks, and faster ones in the place of some of its own. Call it before the first tensor. The
 * backend runs on one thread: tfjs's threads need an isolated page, do not survive bundlers that rename, and would not
 * serve these kernels. The build of the kernels is the one that suits the engine; on Node 20 V8's flag for relaxed SIMD, which
 * later ones have without, is set for the process.
 * @throws Error if the engine has no WebAssembly SIMD, or the backend does not start; it names the address of the binary.
 * @example
 * await useWasm();
 * const params = model.init(rng(0)); // tensors are made from here on
 */
export async function useWasm({ wasmPaths }: UseWasmOptions = {}): Promise<void> {
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))) {
    throw new Error('backend-wasm needs WebAssembly SIMD, which this engine does not have');
  }
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  const paths = wasmPaths ?? served();
  if (paths !== undefined) setWasmPaths(typeof paths === 'string' ? paths : { ...NEVER_LOADED, ...paths });
  if (!(await tf.setBackend('wasm'))) {
    const address = typeof paths === 'string' ? `${paths}${SIMD}` : paths?.[SIMD];
    throw new Error(
      `the wasm backend of tfjs did not start${address === undefined ? '' : `: is ${SIMD} at ${address}? The option wasmPaths says where it is`}`,
    );
  }
  await prepare();
  // From the first tensor on, not from our first kernel on: what finds no room is refused.
  roomOf(tf.backend() as unknown as WasmBackend);
  if (tf.getKernel(opsKernels[0]!.kernelName, 'wasm') !== undefined) return;
  for (const config of [...opsKernels, ...randomKernels]) tf.registerKernel(config);
  registerTfjsKernels();
  registerSoftmaxGradient();
}

/**
 * The copy of the binary that the build laid into `dist`, for pages: bundlers that know `new URL(…, import.meta.url)` carry
 * it along. undefined for what runs from a disk (Node, Bun, Deno), where tfjs reads its own.
 */
function served(): { [SIMD]: string } | undefined {
  // Not import.meta.url is asked, which webpack makes the path of this file.
  const { protocol, href } = new URL('../dist/tfjs-backend-wasm-simd.wasm', import.meta.url);
  return protocol === 'file:' ? undefined : { [SIMD]: href };
}
