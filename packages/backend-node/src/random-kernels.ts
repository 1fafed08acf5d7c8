import type { RandomAttrs } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { NodeBackend } from './tfjs-node.js';

/** The kernels that draw the numbers of `@diffusion-ts/tensor`'s rng, bit for bit. */
export const randomKernels: readonly tf.KernelConfig[] = ['DiffusionNormal', 'DiffusionUniform'].map(
  (kernelName) => ({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: (({ attrs, backend }) => {
      const { shape, rows, k0, k1, firstRow, draw } = attrs as unknown as RandomAttrs;
      if (shape.includes(0)) return tf.zeros(shape);
      // As a tensor, since attributes choose a kernel and these change with every draw.
      const numbers = tf.tensor1d(Int32Array.of(k0, k1, firstRow, draw, rows, ...shape), 'int32');
      const [y] = (backend as NodeBackend).executeMultipleOutputs(kernelName, [], [numbers], 1);
      numbers.dispose();
      return y!;
    }) as tf.KernelFunc,
  }),
);
