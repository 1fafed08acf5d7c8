import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Room } from './room.js';

/** How the factors of a product of matrices lie, and what is added to every row. */
interface Options {
  transposeA?: boolean;
  transposeB?: boolean;
  bias?: TensorInfo | undefined;
}

/** y = a b + bias for the last two axes of y, a and b; a factor with fewer matrices than y is used again and again. */
export function product(
  room: Room,
  y: TensorInfo,
  a: TensorInfo,
  b: TensorInfo,
  { transposeA = false, transposeB = false, bias }: Options = {},
): void {
  const { kernels, address } = room;
  const [m, n] = y.shape.slice(-2) as [number, number];
  const k = a.shape.at(transposeA ? -2 : -1)!;
  const matrices = (tensor: TensorInfo): number => tensor.shape.slice(0, -2).reduce((p, size) => p * size, 1);
  const scratch = room.scratch(kernels.gemmScratch() + 4 * n);
  const zeros = scratch + kernels.gemmScratch();
  new Float32Array(room.buffer(), zeros, n).fill(0);
  for (let i = 0; i < matrices(y); i++) {
    kernels.gemm(
      address(a) + (i % matrices(a)) * 4 * m * k,
      transposeA ? 4 : 4 * k,
      transposeA ? 4 * m : 4,
      address(b) + (i % matrices(b)) * 4 * k * n,
      transposeB ? 4 : 4 * n,
      transposeB ? 4 * k : 4,
      address(y) + i * 4 * m * n,
      4 * n,
      m,
      n,
      k,
      bias === undefined ? zeros : address(bias),
      0,
      scratch,
    );
  }
}
