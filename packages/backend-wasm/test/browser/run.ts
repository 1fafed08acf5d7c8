// Runs in a page and in a worker: answers with what was computed, or with the error.

import * as tf from '@tensorflow/tfjs-core';
import { useWasm } from '../../src/index.js';
import { compute } from './compute.js';

export interface Answer {
  numbers?: number[];
  threads?: boolean;
  error?: string;
}

export async function run(): Promise<Answer> {
  try {
    await useWasm({ wasmPaths: '/wasm/' });
    const threads = await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT');
    return { numbers: compute(), threads: threads === true };
  } catch (error) {
    return { error: String(error) };
  }
}

Object.assign(globalThis, { run });
if (typeof document === 'undefined') void run().then((answer) => postMessage(answer));
