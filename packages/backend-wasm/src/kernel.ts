import { checkKernel, type KernelName, type Kernels } from '@diffusion-ts/ops';
import type { KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import { type Room, roomOf, type WasmBackend } from './room.js';

/** The inputs of a kernel of the contract as a backend sees them. */
type Infos<K extends KernelName> = { [I in keyof Kernels[K]['inputs']]: TensorInfo };

/** The configuration of a kernel of the contract of `ops`, which checks what it is given before it runs. */
export function kernel<K extends KernelName>(
  kernelName: K,
  run: (room: Room, inputs: Infos<K>, attrs: Kernels[K]['attrs']) => TensorInfo | TensorInfo[],
): KernelConfig {
  const kernelFunc = ((args) => {
    const inputs = args.inputs as Infos<K>;
    const attrs = (args.attrs ?? {}) as unknown as Kernels[K]['attrs'];
    checkKernel(kernelName, inputs, attrs);
    const room = roomOf(args.backend as WasmBackend);
    return room.attempt(() => run(room, inputs, attrs));
  }) as KernelFunc;
  return { kernelName, backendName: 'wasm', kernelFunc };
}
