import * as tf from '@tensorflow/tfjs-core';
import type { KernelName, Kernels } from './kernels.js';
import { ofNothing } from './of-nothing.js';

type Inputs<K extends KernelName> = Kernels[K]['inputs'];
type Attrs<K extends KernelName> = Kernels[K]['attrs'];
type Outputs<K extends KernelName> = Kernels[K]['outputs'];
type OfAnyRank<T extends tf.Tensor[]> = { [I in keyof T]: tf.Tensor };

/** Runs a kernel of the contract. */
export type Run<K extends KernelName> = (inputs: Inputs<K>, attrs: Attrs<K>) => Outputs<K>;

interface Gradient<K extends KernelName> {
  inputsToSave: (keyof Inputs<K> & string)[];
  outputsToSave?: boolean[];
  /** The gradient of each input, computed when asked for; dy is an array where the kernel has several outputs. */
  gradFunc(dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[], attrs: Attrs<K>): Record<string, () => tf.Tensor>;
}

/**
 * Defines a kernel of the contract by its composed form, and by its gradient if it has one. The function returned runs
 * the kernel that the active backend registered under the name, or else the composed form. That one runs as a kernel
 * too, so that both have the same gradient and neither puts its insides on the tape.
 */
export function defineKernel<K extends KernelName>(
  name: K,
  composed: (inputs: Inputs<K>, attrs: Attrs<K>) => OfAnyRank<Outputs<K>> & tf.Tensor[],
  gradient?: Gradient<K>,
): Run<K> {
  const composedName = `${name}Composed`;
  if (gradient !== undefined) {
    const gradFunc = gradient.gradFunc as tf.GradFunc;
    tf.registerGradient({ ...gradient, gradFunc, kernelName: name });
    tf.registerGradient({ ...gradient, gradFunc, kernelName: composedName });
  }
  return (inputs, attrs) => {
    const backendName = tf.getBackend();
    const native = tf.getKernel(name, backendName) !== undefined;
    if (!native && tf.getKernel(composedName, backendName) === undefined) {
      tf.registerKernel({
        kernelName: composedName,
        backendName,
        kernelFunc: ({ inputs, attrs }) =>
          ofNothing(name, inputs as Inputs<K>, attrs as unknown as Attrs<K>) ??
          tf.tidy<tf.Tensor[]>(() => composed(inputs as Inputs<K>, attrs as Attrs<K>)),
      });
    }
    const outputs = tf
      .engine()
      .runKernel(native ? name : composedName, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap);
    return (Array.isArray(outputs) ? outputs : [outputs]) as Outputs<K>;
  };
}
