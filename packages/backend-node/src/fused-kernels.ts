import type { KernelConfig } from '@tensorflow/tfjs-core';
import { opsKernels } from './ops-kernels.js';
import { randomKernels } from './random-kernels.js';

/** All that this package registers beside TensorFlow's own kernels. */
export const fusedKernels: readonly KernelConfig[] = [...opsKernels, ...randomKernels];
