import type { TensorInfo } from '@tensorflow/tfjs-core';

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether the shapes are equal. */
export function isShape(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.length === expected.length && shape.every((length, axis) => length === expected[axis]);
}

/** Whether all tensors are float32. */
export function areFloats(...tensors: TensorInfo[]): boolean {
  return tensors.every((tensor) => tensor.dtype === 'float32');
}

/** @throws TypeError naming the kernel if one of the tensors is missing or not float32. */
export function expectFloats(kernel: string, tensors: Record<string, TensorInfo | undefined>): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor?.dtype !== 'float32') {
      throw new TypeError(`${kernel}: ${name} must be float32, not ${tensor?.dtype ?? 'missing'}`);
    }
  }
}

/** @throws RangeError naming the kernel unless the shape is the expected one. */
export function expectShape(
  kernel: string,
  name: string,
  shape: readonly number[],
  expected: readonly number[],
): void {
  if (!isShape(shape, expected)) {
    throw new RangeError(`${kernel}: ${name} must be [${expected}], not [${shape}]`);
  }
}

/** @throws RangeError naming the kernel unless the value is a whole number in `least` … 2³⁰. */
export function expectWhole(kernel: string, name: string, value: unknown, least: number): void {
  if (!(Number.isInteger(value) && (value as number) >= least && (value as number) <= 2 ** 30)) {
    throw new RangeError(`${kernel}: ${name} must be a whole number from ${least} on, not ${value}`);
  }
}

/** @throws RangeError naming the kernel unless the value is the lengths of axes, of so many if a rank is given. */
export function expectLengths(kernel: string, name: string, value: unknown, rank?: number): void {
  if (!Array.isArray(value) || (rank !== undefined && value.length !== rank)) {
    throw new RangeError(`${kernel}: ${name} must be the lengths of ${rank ?? 'its'} axes, not [${value}]`);
  }
  for (const length of value) expectWhole(kernel, `${name} [${value}]`, length, 0);
}
