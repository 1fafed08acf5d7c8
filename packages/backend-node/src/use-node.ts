import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { fusedKernels } from './fused-kernels.js';
import { findBuild } from './home.js';
import { loadTfjsNode } from './tfjs-node.js';

/** How TensorFlow is to run. */
export interface UseNodeOptions {
  /** How many threads TensorFlow and our kernels use; as many as there are cores unless given. */
  threads?: number;
}

/** What the backend runs on. */
export interface NodeBackendInfo {
  /** The version of libtensorflow. */
  version: string;
  /** Where it came from. */
  libtensorflow: string;
  /** How many threads it uses within one kernel. */
  threads: number;
}

let info: NodeBackendInfo | undefined;

/** Whether `npx diffusion-native` has been run for this version. */
export function hasNode(): boolean {
  return findBuild() !== undefined;
}

/**
 * Makes TensorFlow's own library the active backend of tfjs, under the name `tensorflow`, with the fused kernels of
 * this package in it. Later calls change nothing but the active backend.
 * @throws RangeError if threads is not a whole number from 1 on.
 * @throws Error if the native part is not installed or does not start.
 */
export async function useNode({
  threads = availableParallelism(),
}: UseNodeOptions = {}): Promise<NodeBackendInfo> {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`threads must be a whole number from 1 on, not ${threads}`);
  }
  info ??= load(threads);
  if (!(await tf.setBackend('tensorflow'))) throw new Error('the tensorflow backend did not start');
  return info;
}

function load(threads: number): NodeBackendInfo {
  const build = findBuild();
  if (build === undefined) {
    throw new Error('the tensorflow backend is not installed for this version: run `npx diffusion-native`');
  }
  // TensorFlow reads these when it is loaded; who has set them knows why.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threads);
  process.env.TF_NUM_INTEROP_THREADS ??= '1';
  // Unless told so, TensorFlow takes oneDNN's convolutions only where the processor has AVX-512 for neural networks; with
  // AVX2 alone they are faster too.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  const { backend, version } = loadTfjsNode(build);
  tf.registerBackend('tensorflow', () => backend, 3);
  for (const config of fusedKernels) tf.registerKernel(config);
  return {
    version,
    libtensorflow: build.libtensorflow,
    threads: Number(process.env.TF_NUM_INTRAOP_THREADS),
  };
}
