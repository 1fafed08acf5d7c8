// Runs in a page and in a worker, set up with no option: answers with what was computed.

import { useWasm } from '@diffusion-ts/backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { compute } from './compute.js';

export interface Answer {
  backend: string;
  numbers: number[];
}

await useWasm();
const answer: Answer = { backend: tf.getBackend(), numbers: compute() };
if (typeof document === 'undefined') postMessage(answer);
else Object.assign(globalThis, { answer });
