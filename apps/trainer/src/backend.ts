import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from './errors.js';

export const BACKENDS = ['auto', 'wasm', 'tensorflow', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];
/** One that is there. */
export type ActiveBackend = Exclude<Backend, 'auto'>;

/** Makes a backend the active one and returns its name: with `auto`, tensorflow where it is installed, else wasm. */
export async function startBackend(wanted: Backend): Promise<ActiveBackend> {
  // Keeps tfjs from greeting whoever runs it in Node without tfjs-node; that is all it does there.
  tf.enableProdMode();
  // Each takes its time to load, so only the one that is wanted is.
  const name = wanted === 'auto' ? ((await hasTensorflow()) ? 'tensorflow' : 'wasm') : wanted;
  switch (name) {
    case 'tensorflow':
      await startTensorflow();
      break;
    case 'wasm':
      await (await import('@diffusion-ts/backend-wasm')).useWasm();
      break;
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      await tf.setBackend('cpu');
  }
  await tf.ready();
  return name;
}

async function hasTensorflow(): Promise<boolean> {
  return (await import('@diffusion-ts/backend-node')).hasNode();
}

async function startTensorflow(): Promise<void> {
  if (!(await hasTensorflow())) {
    throw new Refusal(
      'The tensorflow backend is not installed on this machine: install it with npm run native.',
    );
  }
  await (await import('@diffusion-ts/backend-node')).useNode();
}
