import { useWasm } from '@diffusion-ts/backend-wasm';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';
import type { Handlers, Job } from './protocol.js';

export type BackendName = 'wasm' | 'webgpu';

export interface BackendInfo {
  readonly name: BackendName;
  /** Whether this browser has WebGPU, so that the switch makes sense. */
  readonly webgpu: boolean;
  /** What the self-test found, where there was one. */
  readonly note?: string;
}

/** wasm, always there: one thread, so that it needs no cross-origin isolation. */
export async function start(): Promise<void> {
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // tfjs wants all three named, and takes only this one where there is SIMD and no threads.
  await useWasm({
    wasmPaths: {
      'tfjs-backend-wasm.wasm': wasmUrl,
      'tfjs-backend-wasm-simd.wasm': wasmUrl,
      'tfjs-backend-wasm-threaded-simd.wasm': wasmUrl,
    },
  });
}

export interface BackendJobs {
  /** Switches the backend. WebGPU has to give wasm's answers first; where it does not, wasm stays. */
  backend: Job<{ use: BackendName }, string, BackendInfo>;
}

export const backendJobs: Handlers<BackendJobs> = {
  async backend({ use }, { report }) {
    const webgpu = await hasWebgpu();
    if (use === 'wasm' || !webgpu) {
      await tf.setBackend('wasm');
      return { name: 'wasm', webgpu };
    }
    report('Loading WebGPU');
    await import('@tensorflow/tfjs-backend-webgpu');
    report('Comparing WebGPU with WebAssembly');
    const { adopt } = await import('./self-test.js');
    const { adopted, note } = await adopt('webgpu', 'wasm');
    return { name: adopted ? 'webgpu' : 'wasm', webgpu, note };
  },
};

/** A browser may know WebGPU and have no adapter for it: no graphics card, or none that it trusts. */
async function hasWebgpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter !== undefined && adapter !== null;
}
