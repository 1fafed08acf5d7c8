import { hasNode, useNode } from '@diffusion-ts/backend-node';
import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from './errors.js';

export const BACKENDS = ['auto', 'wasm', 'tensorflow', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

/**
 * Makes a backend the active one and says in words which: with `auto`, tensorflow where `npm run native` has been run,
 * else wasm.
 */
export async function startBackend(wanted: Backend): Promise<string> {
  // Keeps tfjs from greeting whoever runs it in Node without tfjs-node; that is all it does there.
  tf.enableProdMode();
  const name = wanted === 'auto' ? (hasNode() ? 'tensorflow' : 'wasm') : wanted;
  if (name === 'tensorflow') return startTensorflow();
  if (name === 'wasm') await (await import('@diffusion-ts/backend-wasm')).useWasm();
  if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(name))) throw new Refusal(`The ${name} backend did not start on this machine.`);
  await tf.ready();
  return name;
}

async function startTensorflow(): Promise<string> {
  if (!hasNode()) throw new Refusal('The tensorflow backend is not installed: run `npm run native`.');
  const { version, libtensorflow, threads } = await useNode();
  return `tensorflow ${version} (${libtensorflow}, ${threads} ${threads === 1 ? 'thread' : 'threads'})`;
}
