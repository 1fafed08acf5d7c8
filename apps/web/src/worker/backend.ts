import { useWasm } from '@diffusion-ts/backend-wasm';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';
import { sameAnswers } from './self-test.js';

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

/** Switches the backend. WebGPU has to give wasm's answers first; where it does not, wasm stays. */
export async function* useBackend({ use }: { use: BackendName }): AsyncGenerator<string, BackendInfo> {
  const webgpu = 'gpu' in navigator;
  if (use === 'wasm' || !webgpu) {
    await tf.setBackend('wasm');
    return { name: 'wasm', webgpu };
  }
  yield 'Loading WebGPU';
  try {
    await import('@tensorflow/tfjs-backend-webgpu');
    if (!(await tf.setBackend('webgpu'))) throw new Error('this browser gives no WebGPU adapter');
    yield 'Comparing WebGPU with WebAssembly';
    const note = await sameAnswers('webgpu', 'wasm');
    await tf.setBackend('webgpu');
    return { name: 'webgpu', webgpu, note };
  } catch (error) {
    await tf.setBackend('wasm');
    const reason = error instanceof Error ? error.message : String(error);
    return { name: 'wasm', webgpu, note: `WebGPU is not used: ${reason}` };
  }
}
