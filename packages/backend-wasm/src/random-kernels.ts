import type { RandomAttrs } from '@diffusion-ts/tensor';
import type { KernelConfig, KernelFunc } from '@tensorflow/tfjs-core';
import { roomOf, type WasmBackend } from './room.js';
import { expectLengths, expectWhole, sizeOf } from './shapes.js';

/** The kernels that draw the numbers of `@diffusion-ts/tensor`'s rng, bit for bit. */
export const randomKernels: readonly KernelConfig[] = [
  random('DiffusionNormal', 'normal'),
  random('DiffusionUniform', 'uniform'),
];

function random(kernelName: string, draw: 'normal' | 'uniform'): KernelConfig {
  const kernelFunc = (({ attrs, backend }) => {
    const { shape, rows, k0, k1, firstRow, draw: index } = attrs as unknown as RandomAttrs;
    expectLengths(kernelName, 'shape', shape);
    const size = sizeOf(shape);
    expectWhole(kernelName, 'rows', rows, size === 0 ? 0 : 1);
    if (size > 0 && size % rows !== 0) {
      throw new RangeError(
        `${kernelName}: rows must divide the ${size} numbers of [${shape}], ${rows} does not`,
      );
    }
    const room = roomOf(backend as WasmBackend);
    return room.attempt(() => {
      const y = room.output(shape);
      if (size > 0) room.kernels[draw](room.address(y), rows, size / rows, firstRow, index, k0, k1);
      return y;
    });
  }) as KernelFunc;
  return { kernelName, backendName: 'wasm', kernelFunc };
}
