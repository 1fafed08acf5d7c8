import type { RandomAttrs } from '@diffusion-ts/tensor';
import type { KernelConfig, KernelFunc } from '@tensorflow/tfjs-core';
import { sizeOf } from './kernel.js';
import { roomOf, type WasmBackend } from './room.js';

/** The kernels that draw the numbers of `@diffusion-ts/tensor`'s rng, bit for bit. */
export const randomKernels: readonly KernelConfig[] = [
  random('DiffusionNormal', 'normal'),
  random('DiffusionUniform', 'uniform'),
];

function random(kernelName: string, draw: 'normal' | 'uniform'): KernelConfig {
  const kernelFunc = (({ attrs, backend }) => {
    const room = roomOf(backend as WasmBackend);
    const { shape, rows, k0, k1, firstRow, draw: index } = attrs as unknown as RandomAttrs;
    const y = room.output(shape);
    room.kernels[draw](room.address(y), rows, sizeOf(shape) / rows, firstRow, index, k0, k1);
    return y;
  }) as KernelFunc;
  return { kernelName, backendName: 'wasm', kernelFunc };
}
