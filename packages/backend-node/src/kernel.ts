import { checkKernel, type KernelName, type Kernels, ofNothing } from '@diffusion-ts/ops';
import type { KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { NodeBackend, OpAttr } from './tfjs-node.js';

/** The inputs of a kernel of the contract as a backend sees them. */
type Infos<K extends KernelName> = { [I in keyof Kernels[K]['inputs']]: TensorInfo };

/**
 * The configuration of a kernel of the contract of `ops`, which checks what it is given before it runs. What is empty never
 * reaches the C++, which divides by lengths.
 */
export function kernel<K extends KernelName>(
  kernelName: K,
  run: (backend: NodeBackend, inputs: Infos<K>, attrs: Kernels[K]['attrs']) => TensorInfo[],
): KernelConfig {
  const kernelFunc = ((args) => {
    const inputs = args.inputs as Infos<K>;
    const attrs = (args.attrs ?? {}) as unknown as Kernels[K]['attrs'];
    checkKernel(kernelName, inputs, attrs);
    const nothing = ofNothing(kernelName, inputs as Kernels[K]['inputs'], attrs);
    return nothing ?? run(args.backend as NodeBackend, inputs, attrs);
  }) as KernelFunc;
  return { kernelName, backendName: 'tensorflow', kernelFunc };
}

/** The attribute that says that an operation of TensorFlow works on float32. */
export function floats({ binding }: NodeBackend): OpAttr {
  return { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
}

/** An attribute of whole numbers. */
export function integer({ binding }: NodeBackend, name: string, value: number | number[]): OpAttr {
  return { name, type: binding.TF_ATTR_INT, value };
}
