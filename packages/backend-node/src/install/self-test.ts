import * as tf from '@tensorflow/tfjs-core';
import { fusedKernels } from '../fused-kernels.js';
import { useNode } from '../use-node.js';

// Small computations whose results are known, through TensorFlow's own kernels and through ours.
const { version, libtensorflow, threads } = await useNode();
const ones = tf.ones<tf.Rank.R4>([1, 4, 4, 16]);
const sums = tf.conv2d(ones, tf.ones([3, 3, 16, 16]), 1, 'valid').dataSync();
if (!sums.every((sum) => sum === 144)) throw new Error(`a convolution of ones gave ${sums[0]} and not 144`);
const [winograd] = tf
  .engine()
  .runKernel(
    'DiffusionConv2D',
    { x: tf.ones([1, 24, 24, 16]), weight: tf.ones([3, 3, 16, 16]) },
    { stride: 1, padding: { top: 0, bottom: 0, left: 0, right: 0 } },
  ) as tf.Tensor[];
const wrong = winograd!.dataSync().find((sum) => !(Math.abs(sum - 144) < 1e-3));
if (wrong !== undefined) throw new Error(`our convolution of ones gave ${wrong} and not 144`);
const [silu] = tf.engine().runKernel('DiffusionSilu', { x: tf.fill([33], 1) }) as tf.Tensor[];
const expected = 1 / (1 + Math.exp(-1));
if (!silu!.dataSync().every((y) => Math.abs(y - expected) < 1e-6)) {
  throw new Error(`silu(1) came out as ${silu!.dataSync()[0]} and not ${expected}`);
}
process.stdout.write(
  `libtensorflow ${version} from ${libtensorflow} works, with ${fusedKernels.length} fused kernels on ${threads} threads.\n`,
);
