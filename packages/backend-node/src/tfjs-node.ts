import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { Build } from './home.js';

/** An attribute of an operation of TensorFlow. */
export interface OpAttr {
  name: string;
  type: number;
  value: number | string | boolean | number[];
}

/** What we use of tfjs-node's backend. */
export interface NodeBackend extends tf.KernelBackend {
  binding: {
    TF_Version: string;
    TF_FLOAT: number;
    TF_ATTR_FLOAT: number;
    TF_ATTR_INT: number;
    TF_ATTR_STRING: number;
    TF_ATTR_TYPE: number;
  };
  executeMultipleOutputs(
    name: string,
    attrs: OpAttr[],
    inputs: tf.TensorInfo[],
    outputs: number,
  ): tf.Tensor[];
}

/** native/process.cc */
type ProcessAddon = Record<'muteStderr' | 'unmuteStderr', () => void>;

/** The name under which tfjs-node's code, as `npm run native` lays it out, finds the tfjs-core of this process. */
export const CORE = 'diffusion-ts.tfjs-core';

/** Loads tfjs-node's backend without its installer and without the union package it comes with. */
export function loadTfjsNode({ process, addon, tfjsNode }: Build): { backend: NodeBackend; version: string } {
  restoreUtil();
  Object.assign(globalThis, { [Symbol.for(CORE)]: tf });
  const require = createRequire(join(tfjsNode, 'dist', 'index.js'));
  const { muteStderr, unmuteStderr } = require(process) as ProcessAddon;
  muteStderr();
  let binding: NodeBackend['binding'];
  try {
    binding = require(addon);
  } finally {
    unmuteStderr();
  }
  require('./register_all_kernels');
  const { NodeJSKernelBackend } = require('./nodejs_kernel_backend') as {
    NodeJSKernelBackend: new (binding: NodeBackend['binding'], packageName: string) => NodeBackend;
  };
  return { backend: new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'), version: binding.TF_Version };
}

/** tfjs-node calls functions that Node 23 took away, and that warn before that. */
function restoreUtil(): void {
  Object.assign(util, {
    isNullOrUndefined: (x: unknown) => x === null || x === undefined,
    isArray: Array.isArray,
  });
}
