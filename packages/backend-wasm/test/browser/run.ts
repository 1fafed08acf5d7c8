// Runs in a page and in a worker, set up by the README's lines for Vite: answers with what was computed.

// @ts-expect-error: the test makes a module of the README's lines.
import 'the README for Vite';
import * as tf from '@tensorflow/tfjs-core';
import { compute } from './compute.js';

export interface Answer {
  backend: string;
  numbers: number[];
}

const answer: Answer = { backend: tf.getBackend(), numbers: compute() };
if (typeof document === 'undefined') postMessage(answer);
else Object.assign(globalThis, { answer });
