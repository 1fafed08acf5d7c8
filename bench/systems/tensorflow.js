// The tensorflow backend of tfjs: ours, or with what ops composes in the place of our kernels (BENCH_SYSTEM=tfjs-node).

import { hasNode, useNode } from '@diffusion-ts/backend-node';
import * as tf from '@tensorflow/tfjs-core';
import { emit, turn, wanted } from '../measure.js';
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

/** How much the process grows while it trains, from step 20 on; and what it and tfjs hold at a few steps. */
function measureGrowth(name, batch) {
  turn(name);
  const network = networkUnderTest();
  const at = {};
  for (let step = 1; step <= 500; step++) {
    network.step(batch);
    if (![20, 100, 200, 500].includes(step)) continue;
    at[step] = {
      megabytes: Math.round(process.memoryUsage().rss / 2 ** 20),
      tensors: tf.memory().numTensors,
    };
  }
  emit({ case: name, megabytes: at[500].megabytes - at[20].megabytes, at });
}
if (isOurs && wanted('growth in 500 steps of 4')) measureGrowth('growth in 500 steps of 4', 4);
// Ten minutes: only where asked for.
const long = 'growth in 500 steps of 64';
if (isOurs && process.argv.includes('--only') && wanted(long)) measureGrowth(long, 64);
