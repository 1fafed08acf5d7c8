import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Room } from './room.js';
import { sizeOf } from './shapes.js';

/** How the factors of a product of matrices lie, and what is added: a row to every row, or one number to all. */
interface Options {
  transposeA?: boolean;
  transposeB?: boolean;
  bias?: TensorInfo | undefined;
}

/**
 * y = a b + bias for the last two axes of y, a and b; over the others a factor is broadcast, as those of y say. Their
 * lengths must fit each other.
 */
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
  const scratch = room.scratch(kernels.gemmScratch() + 4 * n);
  const row = scratch + kernels.gemmScratch();
  const isOne = bias !== undefined && sizeOf(bias.shape) === 1;
  const everywhere = isOne ? room.numbers(bias)[0]! : 0;
  new Float32Array(room.buffer(), row, n).fill(everywhere);
  const count = sizeOf(y.shape.slice(0, -2));
  for (let i = 0; i < count; i++) {
    kernels.gemm(
      address(a) + matrixOf(a, y, i) * 4 * m * k,
      transposeA ? 4 : 4 * k,
      transposeA ? 4 * m : 4,
      address(b) + matrixOf(b, y, i) * 4 * k * n,
      transposeB ? 4 : 4 * n,
      transposeB ? 4 * k : 4,
      address(y) + i * 4 * m * n,
      4 * n,
      m,
      n,
      k,
      bias === undefined || isOne ? row : address(bias),
      0,
      scratch,
    );
  }
}

/** Which matrix of a factor goes into number `i` of y: along an axis of length 1, or none, there is one for all. */
function matrixOf({ shape }: TensorInfo, y: TensorInfo, i: number): number {
  let matrix = 0;
  let step = 1;
  for (let axis = -3; axis >= -shape.length; axis--) {
    const length = y.shape.at(axis)!;
    if (shape.at(axis) !== 1) matrix += (i % length) * step;
    step *= shape.at(axis)!;
    i = Math.floor(i / length);
  }
  return matrix;
}
