import { useWasm } from '@diffusion-ts/backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from './errors.js';

export const BACKENDS = ['auto', 'wasm', 'tensorflow', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

// Native and optional: the name is in a variable so that no compiler looks for it.
const TENSORFLOW: string = '@tensorflow/tfjs-node';

/** Makes a backend the active one and returns its name: with `auto`, tensorflow where it is installed, else wasm. */
export async function startBackend(wanted: Backend): Promise<string> {
  // Keeps tfjs from greeting whoever runs it in Node without tfjs-node; that is all it does there.
  tf.enableProdMode();
  const name = wanted === 'auto' ? ((await loads(TENSORFLOW)) ? 'tensorflow' : 'wasm') : wanted;
  if (name === 'tensorflow') {
    if (!(await loads(TENSORFLOW))) {
      throw new Refusal(
        `The tensorflow backend needs the package ${TENSORFLOW}, which is not installed or does not start.`,
      );
    }
  }
  if (name === 'wasm') await useWasm();
  if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(name))) throw new Refusal(`The ${name} backend did not start on this machine.`);
  await tf.ready();
  return name;
}

async function loads(name: string): Promise<boolean> {
  return import(name).then(
    () => true,
    () => false,
  );
}
