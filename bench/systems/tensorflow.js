// The tensorflow backend of tfjs: ours, or with what ops composes in the place of our kernels (BENCH_SYSTEM=tfjs-node).

import { hasNode, useNode } from '@diffusion-ts/backend-node';
import * as tf from '@tensorflow/tfjs-core';
import { emit, wanted } from '../measure.js';
import { measureUnet, networkUnderTest } from '../unet.js';

if (!hasNode()) throw new Error('not installed: run `npm run native`');
await useNode({ threads: Number(process.env.OMP_NUM_THREADS) });
const isOurs = process.env.BENCH_SYSTEM === 'backend-node';
if (!isOurs) {
  for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) {
    if (kernelName.startsWith('Diffusion')) tf.unregisterKernel(kernelName, 'tensorflow');
  }
}

await measureUnet({ forward: [1, 16], step: [16, 64] });

if (wanted('unet step 64')) {
  emit({ case: 'unet step 64 peak memory', megabytes: process.resourceUsage().maxRSS / 1024 });
}
const growth = 'unet growth in 500 steps of 4';
if (isOurs && wanted(growth)) {
  const network = networkUnderTest();
  const steps = (count) => {
    for (let i = 0; i < count; i++) network.step(4);
    return process.memoryUsage().rss / 2 ** 20;
  };
  const before = steps(50);
  emit({ case: growth, megabytes: steps(500) - before });
}
