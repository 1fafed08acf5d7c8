import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe } from 'vitest';

export type BackendName = 'cpu' | 'wasm' | 'tensorflow';

// Keeps tfjs's advertisement for tfjs-node out of the log.
tf.env().set('IS_TEST', true);

// backend-node stands to the right of the packages that are tested here, so it is named by its path and not as a
// dependency. It counts as a backend only where `npm run native` has been run.
const { hasNode, useNode } = (await import(
  new URL('../../backend-node/src/index.ts', import.meta.url).href
)) as { hasNode(): boolean; useNode(): Promise<unknown> };

/** Makes `name` the active backend and waits until it is ready. */
export async function useBackend(name: BackendName): Promise<void> {
  if (name === 'tensorflow') await useNode();
  if (!(await tf.setBackend(name))) throw new Error(`the ${name} backend did not start`);
  await tf.ready();
}

/**
 * Runs the same tests on every backend; one that is not installed shows up as skipped, by name.
 * A caller narrows `names` only for work that is too slow on the plain-JavaScript backend.
 */
export function onEachBackend(
  tests: (name: BackendName) => void,
  names: readonly BackendName[] = ['cpu', 'wasm', 'tensorflow'],
): void {
  for (const name of names) {
    const missing = name === 'tensorflow' && !hasNode();
    describe.skipIf(missing)(missing ? `on ${name} (not installed)` : `on ${name}`, () => {
      beforeAll(() => useBackend(name));
      tests(name);
    });
  }
}
