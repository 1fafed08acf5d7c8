import type { KernelName, Kernels } from '@diffusion-ts/ops';
import type { KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import { type Room, roomOf, type WasmBackend } from './room.js';

/** The inputs of a kernel of the contract as a backend sees them. */
type Infos<K extends KernelName> = { [I in keyof Kernels[K]['inputs']]: TensorInfo };

/** The configuration of a kernel of the contract of `ops`. */
export function kernel<K extends KernelName>(
  kernelName: K,
  run: (room: Room, inputs: Infos<K>, attrs: Kernels[K]['attrs']) => TensorInfo | TensorInfo[],
): KernelConfig {
  const kernelFunc = (({ inputs, attrs, backend }) =>
    run(
      roomOf(backend as WasmBackend),
      inputs as Infos<K>,
      attrs as unknown as Kernels[K]['attrs'],
    )) as KernelFunc;
  return { kernelName, backendName: 'wasm', kernelFunc };
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
