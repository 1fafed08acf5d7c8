import * as tf from '@tensorflow/tfjs-core';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
import { fusedKernels } from '../../src/fused-kernels.js';
import { useNode } from '../../src/index.js';
import { CORE } from '../../src/tfjs-node.js';

setTestEnvs([{ name: 'tensorflow', backendName: 'tensorflow', isDataSync: true }]);

// tfjs-node's code is ES5, which cannot extend the class that tfjs-core has where it is bundled.
function KernelBackend() {}
KernelBackend.prototype = tf.KernelBackend.prototype;
Object.defineProperty(globalThis, Symbol.for(CORE), { get: () => ({ ...tf, KernelBackend }), set() {} });

/** Starts the backend, and takes our kernels out of it if the command says `plain`. */
export async function start() {
  await useNode({ threads: 2 });
  if (process.argv[3] === 'plain') {
    for (const { kernelName } of fusedKernels) tf.unregisterKernel(kernelName, 'tensorflow');
  }
}
