import { useWasm } from '@diffusion-ts/backend-wasm';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';
import type { Handlers, Job } from './protocol.js';

/** More cores than this are seldom equals, and each worker takes memory. */
const MOST = 8;

export type BackendName = 'wasm' | 'webgpu';

export interface BackendInfo {
  readonly name: BackendName;
  /** Whether this browser has WebGPU, so that the switch makes sense. */
  readonly webgpu: boolean;
  /** How many workers it may compute on, this one among them. */
  readonly workers: number;
  /** What the self-test found, where there was one. */
  readonly note?: string;
}

/** wasm, always there: one thread in each worker, so that it needs no cross-origin isolation. */
export async function start(): Promise<void> {
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // tfjs wants all three named, and takes only this one where there is SIMD and no threads.
  try {
    await useWasm({
      wasmPaths: {
        'tfjs-backend-wasm.wasm': wasmUrl,
        'tfjs-backend-wasm-simd.wasm': wasmUrl,
        'tfjs-backend-wasm-threaded-simd.wasm': wasmUrl,
      },
    });
  } catch (error) {
    throw new Error(await whyNot(error as Error));
  }
}

/** The browser's or tfjs's own words say little of what a visitor can do. */
async function whyNot({ message }: Error): Promise<string> {
  if (typeof WebAssembly === 'undefined') return 'this browser has no WebAssembly, or has it switched off.';
  if (!WebAssembly.validate(SIMD)) return 'this browser lacks WebAssembly SIMD.';
  const response = await fetch(wasmUrl).catch(() => undefined);
  if (response?.ok) return message;
  return `the file ${wasmUrl.split('/').at(-1)} could not be loaded (${response?.status ?? 'no connection'}).`;
}

/** The smallest module with an instruction of SIMD: a function that makes a vector and drops it. */
const SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11],
);

export interface BackendJobs {
  /** Switches the backend. WebGPU has to give wasm's answers first; where it does not, wasm stays. */
  backend: Job<{ use: BackendName }, string, BackendInfo>;
}

export const backendJobs: Handlers<BackendJobs> = {
  async backend({ use }, { report }) {
    const webgpu = await hasWebgpu();
    if (use === 'wasm' || !webgpu) {
      await tf.setBackend('wasm');
      return { name: 'wasm', webgpu, workers: mostWorkers() };
    }
    report('Loading WebGPU');
    await import('@tensorflow/tfjs-backend-webgpu');
    report('Comparing WebGPU with WebAssembly');
    const { adopt } = await import('./self-test.js');
    const { adopted, note } = await adopt('webgpu', 'wasm');
    // A graphics card is one.
    return { name: adopted ? 'webgpu' : 'wasm', webgpu, workers: adopted ? 1 : mostWorkers(), note };
  },
};

/** As many as this device has cores for; alone where a worker starts no other (Safari before 15.5). */
function mostWorkers(): number {
  return typeof Worker === 'undefined' ? 1 : Math.min(MOST, navigator.hardwareConcurrency || 1);
}

/** A browser may know WebGPU and have no adapter for it: no graphics card, or none that it trusts. */
async function hasWebgpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter !== undefined && adapter !== null;
}
